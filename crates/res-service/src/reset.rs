//! `system.reset`: how gateways are made to ask again. It is lossy (a gateway that is asking already passes a reset
//! over), so what matters is said twice; and a few times more, for gateways whose question went to a replica that was
//! frozen or cut off.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::jitter;
use crate::router::GET_TIME_MAX;
use crate::service::Service;

/// What comes within this time goes out in one reset. A gateway looks for each reset through everything that it has,
/// and one that falls behind in this leaves NATS and disconnects all its clients.
const GATHER_TIME: Duration = Duration::from_millis(20);
/// Pauses before the same is said once more. Until the broker gives up a replica that is frozen or cut off, it is sent
/// its part of the questions and answers none; a gateway that asked it keeps an old state, and hears of no change made
/// before the new owner began. NATS gives up a silent client after some minutes.
const SAID_AGAIN_AFTER: [Duration; 3] =
    [Duration::from_secs(11), Duration::from_secs(45), Duration::from_secs(360)];
/// Longest pause between two attempts to have a failing resource asked again.
const FOLLOW_UP_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Attempts to have a failing resource asked again, about a quarter of an hour in all.
const FOLLOW_UPS_MAX: u32 = 40;

pub(crate) struct Resets {
    failing_max: usize,
    pending: Mutex<BTreeSet<String>>,
    /// Resources that are not remembered any more, and those that failed a while ago.
    single: Mutex<BTreeSet<Arc<str>>>,
    wake: Notify,
    failing: Mutex<HashMap<Arc<str>, Failing>>,
    /// Whether there are any, for the many gets that come when there are none.
    are_failing: AtomicBool,
    /// Whether there are as many as can be followed, which has been logged.
    too_many_fail: AtomicBool,
}

#[derive(Default)]
struct Failing {
    times: u32,
    planned: bool,
}

impl Resets {
    /// Nothing is planned yet, and of so many resources at a time it will be known that they fail.
    pub(crate) fn new(failing_max: usize) -> Self {
        Self {
            failing_max: failing_max.max(1),
            pending: Mutex::default(),
            single: Mutex::default(),
            wake: Notify::new(),
            failing: Mutex::default(),
            are_failing: AtomicBool::new(false),
            too_many_fail: AtomicBool::new(false),
        }
    }

    /// Plans a reset of these patterns, now, once more when any request of an earlier reset has run out, and a few
    /// times later on.
    pub(crate) fn twice(&self, patterns: impl IntoIterator<Item = String>) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).extend(patterns);
        self.wake.notify_one();
    }

    /// Plans one reset of these resources, of which some are no longer remembered: a gateway that has one asks for it
    /// again, and then it is.
    pub(crate) fn once(&self, names: impl IntoIterator<Item = Arc<str>>) {
        self.single.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        self.wake.notify_one();
    }

    /// Publishes what was planned, as long as the service lives.
    pub(crate) async fn run(service: Service) {
        loop {
            service.resets().wake.notified().await;
            tokio::time::sleep(GATHER_TIME).await;
            let single =
                std::mem::take(&mut *service.resets().single.lock().unwrap_or_else(PoisonError::into_inner));
            let single: Vec<&str> = single.iter().map(AsRef::as_ref).collect();
            service.publish_reset(&single, &[]).await;
            let mut patterns =
                std::mem::take(&mut *service.resets().pending.lock().unwrap_or_else(PoisonError::into_inner));
            if patterns.is_empty() {
                continue;
            }
            let everything = format!("{}.>", service.name());
            if patterns.contains(&everything) {
                patterns.retain(|pattern| *pattern == everything || pattern == service.name());
            }
            publish(&service, &patterns).await;
            let service = service.clone();
            tokio::spawn(async move {
                let second = service.limits().request_timeout + Duration::from_secs(1);
                for pause in [second].into_iter().chain(SAID_AGAIN_AFTER) {
                    tokio::time::sleep(pause).await;
                    if service.has_stopped() {
                        return;
                    }
                    publish(&service, &patterns).await;
                }
            });
        }
    }

    /// A get of this resource failed for a reason that may pass. A gateway that was refreshing it keeps its old state
    /// and has thrown away what was published meanwhile, so it must be made to ask again.
    pub(crate) fn follow_up(&self, service: &Service, name: &Arc<str>) {
        let mut failing = self.lock_failing();
        if failing.len() >= self.failing_max && !failing.contains_key(name) {
            drop(failing);
            if !self.too_many_fail.swap(true, Ordering::AcqRel) {
                tracing::error!(
                    res.resource = %name,
                    "more resources fail than are remembered (Builder::remembered_max); of the others, gateways that ask for them again are not made to do so once more"
                );
            }
            return;
        }
        self.are_failing.store(true, Ordering::Release);
        let entry = failing.entry(Arc::clone(name)).or_default();
        if entry.planned {
            return;
        }
        if entry.times >= FOLLOW_UPS_MAX {
            tracing::error!(res.resource = %name, "a resource could not be read for so long that gateways are no longer made to ask for it");
            failing.remove(name);
            return;
        }
        entry.planned = true;
        entry.times += 1;
        let times = entry.times;
        drop(failing);
        let (handle, service, name) = (service.clone(), service.clone(), Arc::clone(name));
        handle.spawn(async move { made_to_ask(&service, name, times).await });
    }

    /// A get of this resource came through: the next failure starts over. What is planned still goes out.
    pub(crate) fn succeeded(&self, name: &Arc<str>) {
        if !self.are_failing.load(Ordering::Acquire) {
            return;
        }
        let mut failing = self.lock_failing();
        failing.remove(name);
        self.note_fewer(&failing);
    }

    fn lock_failing(&self) -> MutexGuard<'_, HashMap<Arc<str>, Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_fewer(&self, failing: &HashMap<Arc<str>, Failing>) {
        self.are_failing.store(!failing.is_empty(), Ordering::Release);
        // Not as soon as one ends, or the same would be said for each that takes its place.
        if failing.len() <= self.failing_max / 2 {
            self.too_many_fail.store(false, Ordering::Release);
        }
    }
}

/// Has gateways ask for a resource that failed so many times, and forgets that it did when none of them finds it failing.
async fn made_to_ask(service: &Service, name: Arc<str>, times: u32) {
    let pause = Duration::from_millis(500) * 2_u32.pow(times.min(6));
    tokio::time::sleep(jitter::spread(pause.min(FOLLOW_UP_PAUSE_MAX))).await;
    if service.has_stopped() {
        return;
    }
    let resets = service.resets();
    if let Some(entry) = resets.lock_failing().get_mut(&name) {
        entry.planned = false;
    }
    // With all others of this moment, and not after the end of the service.
    resets.once([Arc::clone(&name)]);
    tokio::time::sleep(GATHER_TIME + service.limits().request_timeout + GET_TIME_MAX).await;
    let mut failing = resets.lock_failing();
    if failing.get(&name).is_some_and(|entry| entry.times == times && !entry.planned) {
        // Nobody has it, or who has it did not come: a later failure starts over.
        failing.remove(&name);
        resets.note_fewer(&failing);
    }
}

async fn publish(service: &Service, patterns: &BTreeSet<String>) {
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    service.publish_reset(&patterns, &[]).await;
}
