//! The life of ownership: rounds of the lease, and what follows when a key comes or goes.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
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
/// How long the replica keeps its hands off a key after it could not prepare it; twice as long each time it fails again,
/// up to the second one.
const PREPARE_PAUSE_MIN: Duration = Duration::from_secs(3);
const PREPARE_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A failed round is tried again after so long at the latest, however long holdings last.
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(1);

/// For each key, the last step of its life: the next one waits for it.
#[derive(Default)]
pub(crate) struct Lives {
    last: Mutex<HashMap<String, JoinHandle<()>>>,
    /// Keys that could not be prepared, until they are.
    failed: Mutex<HashMap<String, Failed>>,
    /// One at a time talks to the lease: what a round has asked for must not be given back before its answer is taken in.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy)]
struct Failed {
    /// Until then it is left to others.
    until: Instant,
    pause: Duration,
}

/// Renews and takes leases for as long as the service lives.
pub(crate) async fn run(service: Service, lease: Arc<dyn AnyLease>) {
    let time_to_live = lease.time_to_live();
    loop {
        let succeeded = round(&service, &lease).await;
        // After a failure there is time for a few more tries before the holdings run out.
        let pause = if succeeded { time_to_live / 4 } else { (time_to_live / 12).min(FAILED_PAUSE_MAX) };
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
    let _turn = service.lives().turn.lock().await;
    let ownership = service.ownership();
    if service.has_others() && !service.connection().is_connected() {
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
    // Alone, a replica has nobody to leave them to, and goes on with preparing them.
    let some_are_left = service.has_others() && service.lives().leave_failed_out(&mut keys);
    if some_are_left && keys.is_empty() && ownership.held().is_empty() {
        return true;
    }
    let asked = Instant::now();
    let round = async { lease.round(service.replica(), &keys).await };
    let holdings = match in_time(time_to_live / 3, round).await {
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
    if some_are_left && ownership.held().is_empty() {
        // Who could not prepare something and holds nothing is no help: it must not count where shares are made.
        release(service, lease, &[]).await;
    }
    if !service.is_stopping()
        && let Ok(keys) = in_time(time_to_live / 3, async { lease.surrender(service.replica()).await }).await
        && !keys.is_empty()
    {
        tracing::info!(keys = keys.len(), "hands keys over to replicas that have fewer");
        give_back(service, lease, &keys).await;
    }
    true
}

/// What a user's code answers: in time, and an error when it panics, as this task has to go on.
async fn in_time<T>(
    time_max: Duration,
    asked: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    match tokio::time::timeout(time_max, AssertUnwindSafe(asked).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("it panicked".into()),
        Err(_) => Err(format!("it took longer than {time_max:?}").into()),
    }
}

/// Gives back what is held, for a service that stops.
pub(crate) async fn give_all_back(service: &Service, lease: &Arc<dyn AnyLease>) {
    let _turn = service.lives().turn.lock().await;
    give_back(service, lease, &service.ownership().held()).await;
}

/// Stops serving keys, makes sure that everything published for them is out, and frees them.
async fn give_back(service: &Service, lease: &Arc<dyn AnyLease>, keys: &[String]) {
    let demoted = service.ownership().demote(keys);
    follow(service, lease, demoted);
    if let Err(error) = service.barrier().await {
        // Without the barrier something may still be on its way: let the leases run out instead.
        tracing::warn!("keys are not released but run out, as the connection does not answer: {error}");
        return;
    }
    release(service, lease, keys).await;
}

async fn release(service: &Service, lease: &Arc<dyn AnyLease>, keys: &[String]) {
    let released = async { lease.release(service.replica(), keys).await };
    if let Err(error) = in_time(lease.time_to_live(), released).await {
        tracing::warn!(keys = keys.len(), "keys could not be released and run out by themselves: {error}");
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
        if !service.has_others() && !service.is_stopping() {
            // It is still served here, but what was told of it is forgotten.
            service.reset_key(&step.key);
        }
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
    let lost = async {
        service.hooks().lost(key).await;
        Ok(())
    };
    if let Err(error) = in_time(PREPARE_TIME_MAX, lost).await {
        tracing::warn!("the handler of a lost key did not end well: {error}");
    }
}

async fn prepare(service: &Service, lease: &Arc<dyn AnyLease>, step: Step) {
    loop {
        if try_to_prepare(service, &step).await
            || service.has_stopped()
            || !service.ownership().lasts(&step.key, step.term)
        {
            return;
        }
        if service.has_others() {
            return leave_to_others(service, lease, &step).await;
        }
        tracing::error!(lease.key = %step.key, "a key could not be prepared; gets of it wait while that is tried again");
        let pause = service.lives().failed_again(&step.key);
        let again_at = Instant::now() + jitter::spread(pause);
        let table = service.ownership().version();
        while service.ownership().lasts(&step.key, step.term) && Instant::now() < again_at {
            let seen = table.get();
            let _ = tokio::time::timeout_at(again_at, table.wait_for(|version| version != seen)).await;
        }
    }
}

/// A few tries; true if the key is prepared.
async fn try_to_prepare(service: &Service, step: &Step) -> bool {
    for attempt in 0..PREPARE_TRIES_MAX {
        if !service.ownership().lasts(&step.key, step.term) {
            return false;
        }
        let key = OwnedKey { key: step.key.clone(), epoch: step.epoch, service: service.clone() };
        let acquired = async { service.hooks().acquired(key).await };
        match in_time(PREPARE_TIME_MAX, acquired).await {
            Ok(()) => {
                service.lives().lock_failed().remove(&step.key);
                if service.ownership().ready(step) {
                    service.reset_key(&step.key);
                }
                return true;
            }
            Err(error) => {
                tracing::warn!(lease.key = %step.key, attempt, "a key could not be prepared: {error}")
            }
        }
        if attempt + 1 < PREPARE_TRIES_MAX {
            tokio::time::sleep(jitter::spread(Duration::from_millis(100) * 3_u32.pow(attempt))).await;
        }
    }
    false
}

async fn leave_to_others(service: &Service, lease: &Arc<dyn AnyLease>, step: &Step) {
    let _turn = service.lives().turn.lock().await;
    let demoted = service.ownership().demote_term(step.term);
    if demoted.lost.is_empty() {
        return;
    }
    tracing::error!(lease.key = %step.key, "a key could not be prepared and is left to other replicas");
    service.lives().failed_again(&step.key);
    service.groups().forget_keys(service, &[&step.key]);
    for _ in demoted.lost {
        count(&service.statistics().keys_lost);
    }
    release(service, lease, std::slice::from_ref(&step.key)).await;
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

    /// Takes the keys out that are left to others for now; true if there are any.
    fn leave_failed_out(&self, keys: &mut Vec<String>) -> bool {
        let mut failed = self.lock_failed();
        if failed.is_empty() {
            return false;
        }
        let now = Instant::now();
        // What has not failed for so long begins anew, or is no key any more.
        failed.retain(|_, failed| now < failed.until + PREPARE_PAUSE_MAX);
        let all = keys.len();
        keys.retain(|key| failed.get(key).is_none_or(|failed| failed.until <= now));
        keys.len() < all
    }

    /// Notes that a key could not be prepared; for how long it is left alone.
    fn failed_again(&self, key: &str) -> Duration {
        let mut failed = self.lock_failed();
        let earlier = failed.get(key).map(|failed| failed.pause * 2);
        let pause = earlier.unwrap_or(PREPARE_PAUSE_MIN).min(PREPARE_PAUSE_MAX);
        failed.insert(key.to_owned(), Failed { until: Instant::now() + pause, pause });
        pause
    }

    fn lock_failed(&self) -> MutexGuard<'_, HashMap<String, Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
