//! Putting a service together and starting it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::connection::{Connection, Nats};
use crate::error::{BoxError, Error};
use crate::jitter;
use crate::lease::{AnyLease, Everything, Lease};
use crate::middleware::{Layers, Next, Request};
use crate::name::is_part;
use crate::observe::{Handled, Observer};
use crate::pattern::Trie;
use crate::reply::Grant;
use crate::request::Access;
use crate::resource::{DefinedOwner, Handler, Resource, handler};
use crate::service::{OwnedKey, Parts, Service};

/// Why a service could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Something in the declaration of the service is wrong; the text says what and where.
    #[error("the service cannot be started: {0}")]
    Declaration(String),
    /// NATS did not take the subscriptions.
    #[error("the service could not subscribe to its requests: {0}")]
    Nats(#[source] BoxError),
}

/// The limits of a service.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) queue_capacity: usize,
    pub(crate) remembered_max: usize,
    pub(crate) changes_per_second_max: u32,
    pub(crate) handler_time_max: Duration,
    pub(crate) request_timeout: Duration,
}

impl Limits {
    /// How many calls may wait in a group: others need places too.
    pub(crate) fn calls_waiting_max(&self) -> usize {
        (self.queue_capacity / 2).max(1)
    }

    /// How long a call may wait for its turn: one before it that hangs must not take those behind it along.
    pub(crate) fn turn_time_max(&self) -> Duration {
        self.handler_time_max.saturating_mul(2)
    }
}

type AcquiredHook = Box<dyn Fn(OwnedKey) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;
type LostHook = Box<dyn Fn(OwnedKey) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the service does when keys come and go, and how it answers for itself.
#[derive(Default)]
pub(crate) struct Hooks {
    acquired: Option<AcquiredHook>,
    lost: Option<LostHook>,
    pub(crate) key_exists: Option<Handler<String, bool>>,
}

impl Hooks {
    pub(crate) async fn acquired(&self, key: OwnedKey) -> Result<(), BoxError> {
        match &self.acquired {
            Some(hook) => hook(key).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn lost(&self, key: OwnedKey) {
        if let Some(hook) = &self.lost {
            hook(key).await;
        }
    }
}

/// Declares a service: its resources, its limits, and how its replicas share ownership.
///
/// ```no_run
/// use res_service::{Access, Builder, Error, Get, Grant, Model, Resource};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = async_nats::connect("127.0.0.1:4222").await?;
/// let service = Builder::new("example")
///     .resource(
///         Resource::model("greeting.$name", |get: Get| async move {
///             let name: String = get.parameter("name")?;
///             Model::from_serialize(&serde_json::json!({ "text": format!("Hello, {name}!") }))
///         })
///         .access(|_: Access| async move { Ok(Grant::get()) }),
///     )
///     .start(client)
///     .await?;
/// # service.stop(std::time::Duration::from_secs(5)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    name: String,
    replica: String,
    limits: Limits,
    lease: Option<Arc<dyn AnyLease>>,
    busy: Error,
    access: Option<Handler<Access, Grant>>,
    resources: Vec<Resource>,
    layers: Layers,
    observer: Option<Observer>,
    hooks: Hooks,
}

/// Longer than anything is waited for, and short enough to be added to any time.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A round takes a part of it, and has to go over the network.
const TIME_TO_LIVE_MIN: Duration = Duration::from_millis(100);

impl Builder {
    /// A service by its name, which is the first part of the name of every resource it has.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            replica: format!("{:016x}", jitter::random()),
            limits: Limits {
                queue_capacity: 4096,
                remembered_max: 100_000,
                changes_per_second_max: 10_000,
                handler_time_max: Duration::from_secs(30),
                request_timeout: Duration::from_secs(3),
            },
            lease: None,
            busy: Error::INTERNAL_ERROR.with_message("Busy"),
            access: None,
            resources: Vec::new(),
            layers: Layers::default(),
            observer: None,
            hooks: Hooks::default(),
        }
    }

    /// The name of this replica, different from that of every other one, and from that of an earlier one whose holdings may
    /// not have run out: they would be its own. By default it is random.
    #[must_use]
    pub fn replica(mut self, replica: impl Into<String>) -> Self {
        self.replica = replica.into();
        self
    }

    /// How many calls and authentications, how many gets, and how many access requests may be in work; each more is
    /// refused with the busy error. Half as many calls may wait for the turn of one group. As many access requests again wait
    /// for their turn. The default is 4096 of each.
    #[must_use]
    pub fn queue_capacity(mut self, requests: usize) -> Self {
        self.limits.queue_capacity = requests;
        self
    }

    /// How many resources' last published states are remembered; the default is 100,000. What is given up beyond that
    /// is announced by a reset of the one resource. Each takes the memory of its JSON, a little for each member, and less
    /// than a kilobyte besides: where resources are large, choose the number by that. It must be more than clients watch
    /// at one time: otherwise the reset of each makes gateways ask for it again, which gives up the next.
    #[must_use]
    pub fn remembered_max(mut self, resources: usize) -> Self {
        self.limits.remembered_max = resources;
        self
    }

    /// How many changes this replica publishes per second at most, over all its resources; 0 is without limit, the
    /// default is 10,000. A tenth of a second's worth may go out at once. Gateways that cannot keep up leave NATS and
    /// disconnect all their clients, so this is less than they can take.
    #[must_use]
    pub fn changes_per_second_max(mut self, changes: u32) -> Self {
        self.limits.changes_per_second_max = changes;
        self
    }

    /// How long a handler may run before it is dropped and answered for with `system.internalError`; the default is
    /// 30 s, and gets never have more than 9 s. From a millisecond to a day.
    #[must_use]
    pub fn handler_time_max(mut self, time: Duration) -> Self {
        self.limits.handler_time_max = time;
        self
    }

    /// The gateways' `requestTimeout`; the default, as theirs, is 3 s. Requests that take a third of it (and 250 ms at least,
    /// a second at most) are followed by pre-responses. The second reset after an acquisition comes one second later than
    /// it, when every request of the first has ended; three more come within seven minutes. At most a day.
    #[must_use]
    pub fn request_timeout(mut self, time: Duration) -> Self {
        self.limits.request_timeout = time;
        self
    }

    /// How the replicas share ownership. Without a lease this process owns everything, so there must be only one.
    #[must_use]
    pub fn lease(mut self, lease: impl Lease) -> Self {
        self.lease = Some(Arc::new(lease));
        self
    }

    /// What is answered when too many requests are in work, or too many calls of a group, and when a call has waited too long
    /// for its turn; by default `system.internalError` with the message "Busy".
    #[must_use]
    pub fn busy_error(mut self, error: Error) -> Self {
        self.busy = error;
        self
    }

    /// Who may do what with resources that have no access handler of their own. Without this they are denied to all.
    #[must_use]
    pub fn access<F, Fut>(mut self, access: F) -> Self
    where
        F: Fn(Access) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Grant, Error>> + Send + 'static,
    {
        self.access = Some(handler(access));
        self
    }

    /// Whether a lease key stands for something that exists, asked when a get needs a key that is not among those
    /// given to [`Service::own_keys`]. `false` answers it with `system.notFound` at once; otherwise, and without this
    /// handler, the get waits for an owner until its time is up.
    #[must_use]
    pub fn key_exists<F, Fut>(mut self, key_exists: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, Error>> + Send + 'static,
    {
        self.hooks.key_exists = Some(handler(key_exists));
        self
    }

    /// Puts middleware around all handlers of one kind of request, which the type of its first parameter says. What is
    /// put first is outermost. It can answer by itself, pass the request on with [`Next::run`], and change what comes
    /// back; requests that the library answers by itself (unknown names and methods, a full service) do not come by.
    ///
    /// ```
    /// use res_service::{Builder, Call, Error, Next};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Token {
    ///     user: String,
    /// }
    ///
    /// let builder = Builder::new("example").around(|call: Call, next: Next<Call>| async move {
    ///     let token: Option<Token> = call.token()?;
    ///     let user = token.ok_or(Error::ACCESS_DENIED)?.user;
    ///     let (name, method) = (call.name().to_owned(), call.method().to_owned());
    ///     let answer = next.run(call).await;
    ///     println!("{user} called {method} of {name}: {}", if answer.is_ok() { "done" } else { "refused" });
    ///     answer
    /// });
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn around<R, F, Fut>(mut self, middleware: F) -> Self
    where
        R: Request,
        F: Fn(R, Next<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R::Answer, Error>> + Send + 'static,
    {
        self.layers.push(middleware);
        self
    }

    /// Tells of every handler that has ended: what it was asked, how it ended, and how long it took. For metrics, beside
    /// the counters of [`Service::statistics`], which also know what no handler was asked. It runs between requests, so
    /// it must be quick.
    ///
    /// ```
    /// use res_service::{Builder, Handled};
    ///
    /// let builder = Builder::new("example").observe(|handled: &Handled<'_>| {
    ///     let outcome = handled.outcome.map_or_else(|error| error.code(), |()| "ok");
    ///     println!("{} {} {:?} {outcome} {:?}", handled.kind, handled.pattern, handled.method, handled.elapsed);
    /// });
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Handled<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Awaited before the first get of a newly owned key is served. An error, or a panic, is tried again a few times; then
    /// the key is left to another replica, and without a lease tried again for as long as it takes.
    #[must_use]
    pub fn on_acquired<F, Fut>(mut self, acquired: F) -> Self
    where
        F: Fn(OwnedKey) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.hooks.acquired = Some(Box::new(move |key| acquired(key).boxed()));
        self
    }

    /// Called after a key is no longer owned. Nothing is published for it any more by then.
    #[must_use]
    pub fn on_lost<F, Fut>(mut self, lost: F) -> Self
    where
        F: Fn(OwnedKey) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.hooks.lost = Some(Box::new(move |key| lost(key).boxed()));
        self
    }

    /// Subscribes to the service's requests and begins to serve them. The server has taken note of the subscriptions when
    /// this returns (one that it does not allow is told to async-nats' `event_callback`, and to nobody else); keys are
    /// acquired from then on.
    ///
    /// # Errors
    ///
    /// [`StartError::Declaration`] when something in the declaration is wrong, which is noticed before anything is
    /// subscribed to; [`StartError::Nats`] when the connection does not take the subscriptions.
    pub async fn start(self, client: async_nats::Client) -> Result<Service, StartError> {
        self.start_on(Connection::Nats(Box::new(Nats::new(client)))).await
    }

    pub(crate) async fn start_on(self, connection: Connection) -> Result<Service, StartError> {
        let wrong = |text: String| StartError::Declaration(text);
        for (what, name) in [("service", &self.name), ("replica", &self.replica)] {
            if !is_part(name) {
                return Err(wrong(format!(
                    "the {what} name {name:?} must be one part: printable ASCII without dots, '*', '>' and '?'"
                )));
            }
        }
        if self.limits.queue_capacity == 0 {
            return Err(wrong("a queue_capacity of 0 would refuse every request".to_owned()));
        }
        if self.resources.is_empty() {
            return Err(wrong(format!("the service {:?} has no resources", self.name)));
        }
        let time_to_live = self.lease.as_ref().map(|lease| lease.time_to_live());
        for (what, time, least) in [
            ("request_timeout", Some(self.limits.request_timeout), Duration::ZERO),
            ("handler_time_max", Some(self.limits.handler_time_max), Duration::from_millis(1)),
            ("lease's time_to_live", time_to_live, TIME_TO_LIVE_MIN),
        ] {
            if time.is_some_and(|time| !(least..=TIME_MAX).contains(&time)) {
                return Err(wrong(format!("the {what} must be between {least:?} and {TIME_MAX:?}")));
            }
        }
        let mut trie = Trie::default();
        let mut definitions = Vec::with_capacity(self.resources.len());
        let mut shards = 0;
        for (number, resource) in self.resources.into_iter().enumerate() {
            let definition =
                resource.define(number, self.access.as_ref(), &self.layers, self.observer.as_ref());
            let definition = definition.map_err(wrong)?;
            trie.insert(&definition.pattern, number).map_err(|taken: usize| {
                let taken: &Arc<crate::resource::Definition> = &definitions[taken];
                wrong(format!(
                    "the patterns {:?} and {:?} match the same names",
                    taken.pattern.text, definition.pattern.text
                ))
            })?;
            if let DefinedOwner::Name(of_this) = &definition.owner {
                shards = shards.max(of_this.len());
            }
            definitions.push(Arc::new(definition));
        }
        let of_names = (0..shards).map(|shard| format!("name.{shard}")).collect();
        let everything = self.lease.is_none();
        let lease = self.lease.unwrap_or_else(|| Arc::new(Everything));
        let (name, replica, limits, busy, hooks) =
            (self.name, self.replica, self.limits, self.busy, self.hooks);
        let parts = Parts {
            name,
            replica,
            connection,
            limits,
            busy,
            hooks,
            trie,
            definitions,
            lease,
            everything,
            of_names,
        };
        Service::start(parts).await.map_err(StartError::Nats)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("name", &self.name)
            .field("replica", &self.replica)
            .field("limits", &self.limits)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}
