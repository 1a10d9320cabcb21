//! A steady load: changes of the truth past the service, and calls of clients, each of which is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::audit::Watcher;
use crate::client::Failure;
use crate::truth::{Truth, counter};

/// Pause between two changes past the service.
const CHANGE_EVERY: Duration = Duration::from_millis(8);
/// Pause between the answer to a client's call and its next call.
const CALL_EVERY: Duration = Duration::from_millis(40);

/// What became of the calls.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) right: u64,
    /// Answered with something else than what had been done.
    pub(crate) wrong: Vec<String>,
    pub(crate) lost: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) slowest: Duration,
}

/// A load that goes on until it is stopped.
pub(crate) struct Load {
    stopping: Arc<AtomicBool>,
    writer: JoinHandle<()>,
    callers: Vec<JoinHandle<Outcomes>>,
}

impl Load {
    pub(crate) fn start(truth: &Truth, watchers: &Arc<Vec<Watcher>>, counters: u64) -> Self {
        let stopping: Arc<AtomicBool> = Arc::default();
        let writer = tokio::spawn(write(truth.clone(), Arc::clone(&stopping)));
        let caller = |number: usize| {
            let (truth, watchers, stopping) = (truth.clone(), Arc::clone(watchers), Arc::clone(&stopping));
            tokio::spawn(call(truth, watchers, number, counters, stopping))
        };
        let callers = (0..watchers.len()).map(caller).collect();
        Self { stopping, writer, callers }
    }

    /// Ends the load and gives what became of it, when the last call is answered.
    pub(crate) async fn stop(self) -> Outcomes {
        self.stopping.store(true, Ordering::Relaxed);
        self.writer.await.unwrap();
        let mut all = Outcomes::default();
        for caller in self.callers {
            let one = caller.await.unwrap();
            all.right += one.right;
            all.wrong.extend(one.wrong);
            all.lost += one.lost;
            all.slowest = all.slowest.max(one.slowest);
            for (code, times) in one.refused {
                *all.refused.entry(code).or_default() += times;
            }
        }
        all
    }
}

async fn write(truth: Truth, stopping: Arc<AtomicBool>) {
    let names = truth.names();
    let mut random = Random(1);
    let mut ticks = tokio::time::interval(CHANGE_EVERY);
    while !stopping.load(Ordering::Relaxed) {
        ticks.tick().await;
        let name = &names[usize::try_from(random.below(names.len() as u64)).unwrap()];
        truth.change(name, random.next());
    }
}

async fn call(
    truth: Truth,
    watchers: Arc<Vec<Watcher>>,
    caller: usize,
    counters: u64,
    stopping: Arc<AtomicBool>,
) -> Outcomes {
    let client = &watchers[caller].client;
    let mut outcomes = Outcomes::default();
    let mut random = Random(caller as u64 + 100);
    for number in 0_u64.. {
        if stopping.load(Ordering::Relaxed) {
            break;
        }
        let (id, by) = (format!("{caller}.{number}"), 1 + random.below(5));
        let began = Instant::now();
        let method = format!("{}.add", counter(random.below(counters)));
        let answer = client.call(&method, json!({"call": id, "by": by})).await;
        let done = truth.carried_out(&id);
        match &answer {
            Ok(value) if done.is_some_and(|(now, times)| times == 1 && *value == json!(now)) => {
                outcomes.right += 1;
                outcomes.slowest = outcomes.slowest.max(began.elapsed());
            }
            Err(Failure::Lost) if done.is_none_or(|(_, times)| times == 1) => outcomes.lost += 1,
            Err(Failure::Refused { code, .. }) if done.is_none_or(|(_, times)| times == 1) => {
                *outcomes.refused.entry(code.clone()).or_default() += 1;
            }
            _ => outcomes.wrong.push(format!("{method} {id}: {answer:?}, but it was {done:?}")),
        }
        tokio::time::sleep(CALL_EVERY).await;
    }
    outcomes
}

/// A sequence that is the same in every run (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
