//! A running service.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::builder::{Hooks, Limits};
use crate::connection::Connection;
use crate::dispatch;
use crate::error::{BoxError, Error};
use crate::group::Groups;
use crate::handling::guarded;
use crate::in_flight::InFlight;
use crate::lease::{AnyLease, Holding};
use crate::name::is_name;
use crate::ownership::Ownership;
use crate::pace::Pace;
use crate::pattern::Trie;
use crate::recent::Recent;
use crate::reply::error_json;
use crate::reset::Resets;
use crate::resource::Definition;
use crate::rounds::{self, Lives};
use crate::router::{self, GET_TIME_MAX, HANDED_ON_MAX};
use crate::statistics::{Statistics, count};
use crate::turn::{self, Waiter, Waits};
use crate::watched::Watched;

mod hint;
mod names;
#[cfg(feature = "test-kit")]
mod observed;
mod stop;

use self::stop::Ending;

/// How long an echo through the server may take.
const BARRIER_TIME_MAX: Duration = Duration::from_secs(5);

/// A lease key that this replica owns, or owned.
#[derive(Clone)]
#[non_exhaustive]
pub struct OwnedKey {
    /// The key, e.g. `event.evt_1` or `name.3`.
    pub key: String,
    /// The epoch of the ownership, for fencing what is written elsewhere.
    pub epoch: u64,
    pub(crate) service: Service,
}

impl OwnedKey {
    /// The service, e.g. for a feed that is started for the key and calls [`Service::refresh`].
    pub fn service(&self) -> &Service {
        &self.service
    }
}

impl std::fmt::Debug for OwnedKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OwnedKey")
            .field("key", &self.key)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// A running service; clones are handles to the same one. It runs until [`Service::stop`].
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) replica: String,
    pub(crate) connection: Connection,
    pub(crate) limits: Limits,
    pub(crate) busy: Error,
    pub(crate) hooks: Hooks,
    pub(crate) trie: Trie,
    pub(crate) definitions: Vec<Arc<Definition>>,
    pub(crate) lease: Arc<dyn AnyLease>,
    pub(crate) everything: bool,
    pub(crate) of_names: Vec<String>,
}

struct Inner {
    parts: Parts,
    ownership: Ownership,
    groups: Groups,
    /// Turns of groups that wait for other groups.
    waits: Arc<Waits>,
    resets: Resets,
    lives: Lives,
    pace: Pace,
    statistics: Statistics,
    busy_reply: Bytes,
    calls: Arc<InFlight>,
    gets: Arc<InFlight>,
    /// Those being decided, and those that wait for their turn.
    accesses: Arc<InFlight>,
    access_turns: Arc<Semaphore>,
    /// Gets that other replicas have handed on to this one.
    handed_on: Recent,
    /// Hints to other replicas under way; true if another change came meanwhile.
    hints: Mutex<HashMap<Arc<str>, bool>>,
    /// Keys lost lately, whose late changes may still lie in the connection's buffer.
    lost_lately: Mutex<Vec<(Instant, String)>>,
    stopping: Watched<bool>,
    /// The same, for the many requests that come while it is not.
    is_stopping: AtomicBool,
    /// Whether it stops and finishes what it owns: others keep what they would hand on for the next owner.
    is_leaving: AtomicBool,
    /// Subscriptions that end with the stop and are still open.
    open: Watched<usize>,
    stopped: AtomicBool,
    /// The same, for who waits for it.
    ended: Watched<bool>,
    tasks: Mutex<Vec<AbortHandle>>,
    /// Where tasks run, as some are begun by callers outside of it.
    runtime: tokio::runtime::Handle,
}

impl Service {
    pub(crate) async fn start(parts: Parts) -> Result<Self, BoxError> {
        let Limits { queue_capacity: capacity, request_timeout, handler_time_max, .. } = parts.limits;
        let time_to_live = parts.lease.time_to_live();
        let inner = Inner {
            ownership: Ownership::new(&parts.replica, parts.everything, time_to_live, parts.of_names.clone()),
            groups: Groups::default(),
            waits: Arc::default(),
            resets: Resets::new(parts.limits.remembered_max),
            lives: Lives::default(),
            pace: Pace::new(parts.limits.changes_per_second_max),
            statistics: Statistics::default(),
            busy_reply: error_json(&parts.busy),
            calls: InFlight::new(capacity, request_timeout, handler_time_max),
            gets: InFlight::new(capacity, request_timeout, handler_time_max.min(GET_TIME_MAX)),
            accesses: InFlight::new(capacity.saturating_mul(2), request_timeout, handler_time_max),
            access_turns: Arc::new(Semaphore::new(capacity.min(Semaphore::MAX_PERMITS))),
            handed_on: Recent::new(GET_TIME_MAX, HANDED_ON_MAX),
            hints: Mutex::default(),
            lost_lately: Mutex::default(),
            stopping: Watched::new(false),
            is_stopping: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            open: Watched::new(0),
            stopped: AtomicBool::new(false),
            ended: Watched::new(false),
            tasks: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
            parts,
        };
        let service = Self { inner: Arc::new(inner) };
        // Also when the caller no longer waits: a service that was half begun would take requests and serve none.
        let ending = Ending::new(&service);
        if service.inner.parts.everything {
            // What is served before a key is known to be owned would be forgotten as soon as it is.
            service.barrier().await?;
            rounds::round(&service, service.lease()).await;
        }
        dispatch::subscribe(&service).await?;
        service.barrier().await?;
        service.keep(tokio::spawn(Resets::run(service.clone())).abort_handle());
        service.keep(tokio::spawn(dispatch::watch(service.clone())).abort_handle());
        service.keep(tokio::spawn(rounds::run(service.clone(), Arc::clone(service.lease()))).abort_handle());
        if service.inner.parts.everything {
            // The state may have changed while no process was there to say so.
            service.reset_everything();
        }
        ending.not_yet();
        Ok(service)
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.inner.parts.name
    }

    /// The name of this replica.
    pub fn replica(&self) -> &str {
        &self.inner.parts.replica
    }

    /// The NATS connection.
    pub fn client(&self) -> &Client {
        match &self.inner.parts.connection {
            Connection::Nats(nats) => nats.client(),
            #[cfg(test)]
            Connection::Simulated(_) => unreachable!("a simulated service has no client"),
        }
    }

    /// Counters of what the service does.
    pub fn statistics(&self) -> &Statistics {
        &self.inner.statistics
    }

    /// Says that a resource may have changed. Its get handler is asked again and the difference published: at once if
    /// the resource is idle, else when its pace allows; refreshes that wait are one.
    ///
    /// On a replica that does not own the resource the owner is told, in the background. What this process says is
    /// lost if it dies before: where that matters, let the owner learn of changes from the truth itself too (an outbox,
    /// a notification). A resource without an owner is announced by a reset of it.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when this is no resource of the service that has a get handler.
    pub async fn refresh(&self, resource_id: impl AsRef<str>) -> Result<(), Error> {
        let route = self.route_of(resource_id.as_ref())?;
        if route.key.is_none() {
            self.publish_reset(&[&route.name], &[]).await;
            return Ok(());
        }
        if !router::refresh_here(self, &route) {
            self.hint(route);
        }
        Ok(())
    }

    /// Like [`Service::refresh`], without waiting and for this replica only: `false` says that the resource is not
    /// owned here, and nothing was done.
    ///
    /// # Errors
    ///
    /// Those of [`Service::refresh`].
    pub fn try_refresh(&self, resource_id: impl AsRef<str>) -> Result<bool, Error> {
        Ok(router::refresh_here(self, &self.route_of(resource_id.as_ref())?))
    }

    /// Like [`Service::refresh`], but on the owner it returns when the change is published, past the resource's pace:
    /// for a change that must come before the answer to a call. Not for use in a get handler, which would wait for
    /// itself; nor, in a call that is served in order, in a task of its own that the call waits for. Two calls that would wait
    /// for each other's groups do not: the later of them goes on at once, and the change follows as after [`Service::refresh`].
    ///
    /// # Errors
    ///
    /// Those of [`Service::refresh`], and that of the get handler, unless it is [`Error::NOT_FOUND`]: then the resource is
    /// deleted. After another error the refresh is tried again in the background.
    pub async fn refresh_now(&self, resource_id: impl AsRef<str>) -> Result<(), Error> {
        let route = self.route_of(resource_id.as_ref())?;
        let term = route.key.as_deref().and_then(|key| self.ownership().term(key));
        // Boxed, as what happens now and then would make every handler that calls this larger.
        let Some(term) = term else { return Box::pin(self.refresh(resource_id)).await };
        if turn::is_of(self, &route.group) {
            count(&self.statistics().refreshes);
            return turn::refresh(self, &route, term).await;
        }
        let Ok(wait) = Waits::note(self, &route.group) else {
            tracing::warn!(res.resource = %route.name, "calls would wait for each other, so one of them goes on before its change");
            return Box::pin(self.refresh(resource_id)).await;
        };
        count(&self.statistics().refreshes);
        let (sender, receiver) = oneshot::channel();
        self.groups().refresh_now(self, &route, term, Waiter::new(sender, wait.clone()));
        // A dropped sender means that the resource was given up: the reset that goes with it takes over.
        receiver.await.unwrap_or(Ok(()))
    }

    /// Replaces the set of lease keys, made from the resources' owner templates, that some replica should own. Give the
    /// same set on every replica; those of `owned_by_name` are known by themselves.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when a key is that of no resource's [`Resource::owned_by`](crate::Resource::owned_by); then
    /// the set stays as it was.
    pub fn own_keys(&self, keys: impl IntoIterator<Item = impl Into<String>>) -> Result<(), Error> {
        let keys: BTreeSet<String> = keys.into_iter().map(Into::into).collect();
        let definitions = &self.inner.parts.definitions;
        for key in &keys {
            if !is_name(key) || !definitions.iter().any(|definition| definition.may_have_key(key)) {
                return Err(Error::internal(format!("no resource is owned by the key {key:?}")));
            }
        }
        self.ownership().want(keys);
        Ok(())
    }

    /// The epoch in which this replica owns a key, if it does at this moment.
    pub fn owns(&self, key: &str) -> Option<u64> {
        self.ownership().epoch(key)
    }

    /// Who holds which key, as far as this replica knows.
    pub fn holdings(&self) -> Vec<Holding> {
        self.ownership().holdings()
    }

    /// Returns when the server has taken everything that was published before on this connection: an echo through an
    /// inbox of its own. (Flushing the client only empties its buffer.)
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when the echo has not come after 5 s, or when the connection is closed.
    pub async fn barrier(&self) -> Result<(), Error> {
        let inbox = self.connection().new_inbox();
        let echo = async {
            let mut echoes = self.connection().subscribe(inbox.clone()).await.map_err(Error::internal)?;
            self.publish(inbox, Bytes::new()).await?;
            echoes.next().await.map(drop).ok_or_else(|| Error::internal("the connection to NATS is closed"))
        };
        tokio::time::timeout(BARRIER_TIME_MAX, echo).await.unwrap_or_else(|_| {
            Err(Error::internal(format!(
                "NATS did not echo within {BARRIER_TIME_MAX:?}; is the connection up?"
            )))
        })
    }
}

/// A subscription that the stop waits for.
pub(crate) struct OpenSubscription {
    service: Service,
}

impl Drop for OpenSubscription {
    fn drop(&mut self) {
        self.service.inner.open.change(|open| open - 1);
    }
}

/// What the other modules of the crate use.
impl Service {
    pub(crate) fn busy_reply(&self) -> Bytes {
        self.inner.busy_reply.clone()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.inner.parts.connection
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.parts.limits
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.inner.parts.hooks
    }

    pub(crate) fn lease(&self) -> &Arc<dyn AnyLease> {
        &self.inner.parts.lease
    }

    /// Whether there may be other replicas.
    pub(crate) fn has_others(&self) -> bool {
        !self.inner.parts.everything
    }

    pub(crate) fn ownership(&self) -> &Ownership {
        &self.inner.ownership
    }

    pub(crate) fn waits(&self) -> &Arc<Waits> {
        &self.inner.waits
    }

    /// What tells it from other services of the process.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    pub(crate) fn groups(&self) -> &Groups {
        &self.inner.groups
    }

    pub(crate) fn resets(&self) -> &Resets {
        &self.inner.resets
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.inner.pace
    }

    pub(crate) fn lives(&self) -> &Lives {
        &self.inner.lives
    }

    pub(crate) fn calls(&self) -> &Arc<InFlight> {
        &self.inner.calls
    }

    pub(crate) fn gets(&self) -> &Arc<InFlight> {
        &self.inner.gets
    }

    pub(crate) fn accesses(&self) -> &Arc<InFlight> {
        &self.inner.accesses
    }

    pub(crate) fn access_turns(&self) -> &Arc<Semaphore> {
        &self.inner.access_turns
    }

    pub(crate) fn handed_on(&self) -> &Recent {
        &self.inner.handed_on
    }

    pub(crate) fn stopping(&self) -> &Watched<bool> {
        &self.inner.stopping
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.is_stopping.load(Ordering::Acquire)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.inner.is_leaving.load(Ordering::Acquire)
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.inner.stopped.load(Ordering::Acquire)
    }

    /// Counts a subscription that ends with the stop, until the answer is dropped.
    pub(crate) fn open_subscription(&self) -> OpenSubscription {
        self.inner.open.change(|open| open + 1);
        OpenSubscription { service: self.clone() }
    }

    pub(crate) fn open_subscriptions(&self) -> &Watched<usize> {
        &self.inner.open
    }

    /// Runs a task, also for a caller outside of the runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.inner.runtime.spawn(task));
    }

    /// Remembers a task that ends with the service.
    pub(crate) fn keep(&self, task: AbortHandle) {
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    pub(crate) async fn key_exists(&self, key: &str) -> Result<bool, Error> {
        match &self.hooks().key_exists {
            Some(handler) => {
                let time_max = self.limits().handler_time_max.min(GET_TIME_MAX);
                // Also what the handler does before it gives a future may panic.
                guarded(self, time_max, async { handler(key.to_owned()).await }).await
            }
            None => Ok(true),
        }
    }

    /// Plans the two resets for a key that is served here from now on.
    pub(crate) fn reset_key(&self, key: &str) {
        let patterns = self.inner.parts.definitions.iter().filter(|definition| definition.get.is_some());
        self.resets().twice(patterns.filter_map(|definition| definition.reset_pattern(self.name(), key)));
    }

    fn reset_everything(&self) {
        self.resets().twice([self.name().to_owned(), format!("{}.>", self.name())]);
    }

    /// Takes note of keys that this replica has lost: see [`Service::reset_after_reconnect`].
    pub(crate) fn note_lost(&self, keys: &[&str]) {
        let mut lost = self.inner.lost_lately.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        lost.retain(|(at, _)| now - *at < Duration::from_secs(600));
        lost.extend(keys.iter().map(|key| (now, (*key).to_owned())));
    }

    /// The connection was away: what was published meanwhile is lost, or lay in its buffer and came late, perhaps after
    /// what another owner said. So the gateways must ask again for all that this replica owned then or owns now.
    pub(crate) fn reset_after_reconnect(&self, away_since: Instant) {
        count(&self.statistics().reconnects);
        if self.inner.parts.everything {
            return self.reset_everything();
        }
        let lost = self.inner.lost_lately.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lost = lost.into_iter().filter(|(at, _)| *at >= away_since).map(|(_, key)| key);
        for key in self.ownership().held().into_iter().chain(lost) {
            self.reset_key(&key);
        }
    }
}
