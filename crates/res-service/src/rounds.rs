//! The life of ownership: rounds of the lease, and what follows when a key comes or goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::BoxError;
use crate::jitter;
use crate::lease::AnyLease;
use crate::ownership::{Changes, Step};
use crate::service::{OwnedKey, Service};
use crate::statistics::count;

/// Rounds are at least so far apart, however often one is asked for.
const ROUND_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Tries to prepare a key before it is given back for another replica to try.
const PREPARE_TRIES_MAX: u32 = 5;
/// How long one try to prepare a key may take.
const PREPARE_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the replica keeps its hands off a key after it could not prepare it.
const PREPARE_PAUSE: Duration = Duration::from_secs(3);

/// For each key, the last step of its life: the next one waits for it.
#[derive(Default)]
pub(crate) struct Lives {
    last: Mutex<HashMap<String, JoinHandle<()>>>,
    /// Keys that could not be prepared, and until when they are left to others.
    failed: Mutex<HashMap<String, Instant>>,
}

/// Renews and takes leases for as long as the service lives.
pub(crate) async fn run(service: Service, lease: Arc<dyn AnyLease>) {
    let time_to_live = lease.time_to_live();
    loop {
        let succeeded = round(&service, &lease).await;
        // After a failure there is time for a few more tries before the holdings run out.
        let pause = if succeeded { time_to_live / 4 } else { time_to_live / 12 };
        let next = Instant::now() + jitter::spread(pause);
        tokio::time::sleep(ROUND_PAUSE_MIN.min(pause)).await;
        loop {
            let wake = service.ownership().next_end().map_or(next, |end| end.min(next));
            tokio::select! {
                biased;
                () = service.ownership().round_wanted.notified() => break,
                () = tokio::time::sleep_until(wake) => {}
            }
            let expired = service.ownership().expire(Instant::now());
            if !expired.lost.is_empty() {
                tracing::warn!(
                    keys = expired.lost.len(),
                    "leases ran out before they could be renewed; their resources are no longer served here"
                );
            }
            follow(&service, &lease, expired);
            if Instant::now() >= next {
                break;
            }
        }
    }
}

/// One round; false if it failed.
pub(crate) async fn round(service: &Service, lease: &Arc<dyn AnyLease>) -> bool {
    let ownership = service.ownership();
    if !service.connection().is_connected() {
        // Without a connection nobody can be served: let the leases run out, so that others take over.
        return false;
    }
    let time_to_live = lease.time_to_live();
    let mut keys = if service.is_stopping() { ownership.held() } else { ownership.wanted() };
    if keys.is_empty() && ownership.held().is_empty() {
        return true;
    }
    let unwanted = ownership.unwanted(&keys);
    if !unwanted.is_empty() {
        give_back(service, lease, &unwanted).await;
    }
    service.lives().leave_failed_out(&mut keys);
    let asked = Instant::now();
    let outcome = tokio::time::timeout(time_to_live / 3, lease.round(service.replica(), &keys)).await;
    let holdings = match outcome.map_err(|_| BoxError::from("it took too long")).and_then(|answer| answer) {
        Ok(holdings) => holdings,
        Err(error) => {
            count(&service.statistics().lease_failures);
            tracing::warn!(
                "a round of the lease failed and is tried again; holdings last until {time_to_live:?} after the last good one: {error}"
            );
            return false;
        }
    };
    let changes = ownership.apply(asked, time_to_live, holdings);
    follow(service, lease, changes);
    if !service.is_stopping()
        && let Ok(Ok(keys)) = tokio::time::timeout(time_to_live / 3, lease.surrender(service.replica())).await
        && !keys.is_empty()
    {
        tracing::info!(keys = keys.len(), "hands keys over to replicas that have fewer");
        give_back(service, lease, &keys).await;
    }
    true
}

/// Stops serving keys, makes sure that everything published for them is out, and frees them.
pub(crate) async fn give_back(service: &Service, lease: &Arc<dyn AnyLease>, keys: &[String]) {
    let demoted = service.ownership().demote(keys);
    follow(service, lease, demoted);
    if let Err(error) = service.barrier().await {
        // Without the barrier something may still be on its way: let the leases run out instead.
        tracing::warn!("keys are not released but run out, as the connection does not answer: {error}");
        return;
    }
    if let Err(error) = lease.release(service.replica(), keys).await {
        tracing::warn!("keys could not be released and run out by themselves: {error}");
    }
}

/// Does what must be done for keys that came and went.
pub(crate) fn follow(service: &Service, lease: &Arc<dyn AnyLease>, changes: Changes) {
    if !changes.lost.is_empty() {
        let keys: Vec<&str> = changes.lost.iter().map(|step| step.key.as_str()).collect();
        service.groups().forget_keys(service, &keys);
        service.note_lost(&keys);
    }
    for step in changes.lost {
        count(&service.statistics().keys_lost);
        tracing::info!(lease.key = %step.key, lease.epoch = step.epoch, "no longer owns a key");
        let handle = service.clone();
        service.lives().then(&step.key.clone(), async move { lose(&handle, step).await });
    }
    for step in changes.acquired {
        count(&service.statistics().keys_acquired);
        tracing::info!(lease.key = %step.key, lease.epoch = step.epoch, "owns a key");
        let (handle, lease) = (service.clone(), Arc::clone(lease));
        service.lives().then(&step.key.clone(), async move { prepare(&handle, &lease, step).await });
    }
}

async fn lose(service: &Service, step: Step) {
    let key = OwnedKey { key: step.key, epoch: step.epoch, service: service.clone() };
    if tokio::time::timeout(PREPARE_TIME_MAX, service.hooks().lost(key)).await.is_err() {
        tracing::warn!("the handler of a lost key took longer than {PREPARE_TIME_MAX:?} and was dropped");
    }
}

async fn prepare(service: &Service, lease: &Arc<dyn AnyLease>, step: Step) {
    for attempt in 0..PREPARE_TRIES_MAX {
        if !service.ownership().lasts(&step.key, step.term) {
            return;
        }
        let key = OwnedKey { key: step.key.clone(), epoch: step.epoch, service: service.clone() };
        let outcome = tokio::time::timeout(PREPARE_TIME_MAX, service.hooks().acquired(key)).await;
        match outcome.unwrap_or_else(|_| Err("it took too long".into())) {
            Ok(()) => {
                if service.ownership().ready(&step) {
                    service.reset_key(&step.key);
                }
                return;
            }
            Err(error) => {
                tracing::warn!(lease.key = %step.key, attempt, "a key could not be prepared: {error}")
            }
        }
        if attempt + 1 < PREPARE_TRIES_MAX {
            tokio::time::sleep(jitter::spread(Duration::from_millis(100) * 3_u32.pow(attempt))).await;
        }
    }
    if service.ownership().lasts(&step.key, step.term) {
        tracing::error!(lease.key = %step.key, "a key could not be prepared and is left to other replicas");
        let until = Instant::now() + PREPARE_PAUSE;
        service.lives().failed.lock().unwrap_or_else(PoisonError::into_inner).insert(step.key.clone(), until);
        let demoted = service.ownership().demote_term(step.term);
        service.groups().forget_keys(service, &[&step.key]);
        for _ in demoted.lost {
            count(&service.statistics().keys_lost);
        }
        if let Err(error) = lease.release(service.replica(), std::slice::from_ref(&step.key)).await {
            tracing::warn!(lease.key = %step.key, "a key could not be released and runs out by itself: {error}");
        }
    }
}

impl Lives {
    /// Runs a step of a key's life after the one before it.
    fn then(&self, key: &str, step: impl Future<Output = ()> + Send + 'static) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= 1024 {
            last.retain(|_, step| !step.is_finished());
        }
        let before = last.remove(key);
        let handle = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            step.await;
        });
        last.insert(key.to_owned(), handle);
    }

    /// Waits for the last step of every key.
    pub(crate) async fn settled(&self) {
        let all: Vec<JoinHandle<()>> =
            self.last.lock().unwrap_or_else(PoisonError::into_inner).drain().map(|(_, step)| step).collect();
        for step in all {
            let _ = step.await;
        }
    }

    fn leave_failed_out(&self, keys: &mut Vec<String>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_empty() {
            return;
        }
        let now = Instant::now();
        failed.retain(|_, until| *until > now);
        keys.retain(|key| !failed.contains_key(key));
    }
}
