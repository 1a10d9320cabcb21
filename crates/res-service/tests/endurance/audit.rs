//! Whether clients show the truth.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::truth::Truth;

/// Pause between two comparisons.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// So many differences are shown.
const SHOWN_MAX: usize = 5;

/// A client and what it watches.
pub(crate) struct Watcher {
    pub(crate) client: Client,
    pub(crate) watched: Vec<String>,
}

impl Watcher {
    pub(crate) fn start(address: &str, watched: Vec<String>) -> Self {
        Self { client: Client::start(address, watched.clone()), watched }
    }
}

/// Waits until every client shows the truth, which must no longer change; gives how long that took.
pub(crate) async fn all_right(truth: &Truth, watchers: &[Watcher], within: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let differences = differences(truth, watchers);
        if differences.is_empty() {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < within,
            "after {within:?} there are {} differences: {:#?}",
            differences.len(),
            &differences[..differences.len().min(SHOWN_MAX)]
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits, under load, until every client has seen of each counter at least what it is at this moment; gives how long
/// that took.
pub(crate) async fn caught_up(truth: &Truth, watchers: &[Watcher], within: Duration) -> Duration {
    let began = Instant::now();
    let counts = truth.counts();
    loop {
        let behind = watchers.iter().filter(|watcher| {
            let view = watcher.client.view();
            let shown = |name: &String| view.resources.get(name).and_then(|model| model["value"].as_u64());
            !counts.iter().all(|(name, count)| shown(name).is_some_and(|shown| shown >= *count))
        });
        let behind = behind.count();
        if behind == 0 {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < within,
            "after {within:?} {behind} clients show counters as they were before"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Changes everything once more: what is right by now must also hear of what comes.
pub(crate) async fn stays_right(truth: &Truth, watchers: &[Watcher], within: Duration) -> Duration {
    for (choice, name) in truth.names().iter().enumerate() {
        truth.change(name, u64::try_from(choice).unwrap());
    }
    all_right(truth, watchers, within).await
}

/// What was taken from clients, or did not fit what they had been told.
pub(crate) fn violations(watchers: &[Watcher]) -> Vec<String> {
    watchers.iter().flat_map(|watcher| watcher.client.view().violations.clone()).collect()
}

/// How often each refusal of a subscription came.
pub(crate) fn refusals(watchers: &[Watcher]) -> std::collections::BTreeMap<String, u64> {
    let mut all = std::collections::BTreeMap::new();
    for watcher in watchers {
        for (code, times) in &watcher.client.view().refusals {
            *all.entry(code.clone()).or_default() += times;
        }
    }
    all
}

/// How many pushes the clients got.
pub(crate) fn pushes(watchers: &[Watcher]) -> u64 {
    watchers.iter().map(|watcher| watcher.client.view().pushes).sum()
}

fn differences(truth: &Truth, watchers: &[Watcher]) -> Vec<String> {
    let mut differences = Vec::new();
    for (number, watcher) in watchers.iter().enumerate() {
        let view = watcher.client.view();
        for name in &watcher.watched {
            let (shown, is) = (view.resources.get(name), truth.read(name));
            if shown != is.as_ref() {
                differences.push(format!("client {number} shows {name} as {shown:?}, but it is {is:?}"));
            }
        }
    }
    differences
}
