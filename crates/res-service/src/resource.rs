//! Declaring a resource: its pattern, how it is got, who may see it, and what can be done with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Error;
use crate::middleware::{Layers, Next, Request};
use crate::name::{is_method, is_part};
use crate::observe::{Observer, observed};
use crate::pattern::Pattern;
use crate::reply::{Grant, Reply};
use crate::request::{Access, Auth, Call, Get};
use crate::snapshot::{Collection, Model, Snapshot};
use crate::trace::traced;

/// Changes of one resource per second unless said otherwise.
const CHANGES_PER_SECOND_DEFAULT: u32 = 20;

/// A handler of requests `R` that answers `A`.
pub(crate) type Handler<R, A> = Arc<dyn Fn(R) -> BoxFuture<'static, Result<A, Error>> + Send + Sync>;

pub(crate) fn handler<R, A, B, F, Fut>(function: F) -> Handler<R, B>
where
    F: Fn(R) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<A, Error>> + Send + 'static,
    A: Into<B> + Send + 'static,
    B: Send + 'static,
{
    // An async block would have the handler's future twice: before it runs and while it does.
    Arc::new(move |request| function(request).map(|answer| answer.map(Into::into)).boxed())
}

/// Who answers `get` for a resource, and alone publishes its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// Any replica answers.
    Nobody,
    /// The replica that holds the lease key made from this template, e.g. `event.$event`.
    Key(String),
    /// The replica that holds the lease key `name.<i>`, where `i` is a hash of the resource name, below this number.
    Name(u32),
}

/// One kind of resource of a service, declared by its pattern.
///
/// Patterns are relative to the service's name: `event.$event.section.$section` in the service `tickets` answers for
/// `tickets.event.evt_1.section.s1`. A literal part wins over a `$tag`, a tag over a `>` at the end.
pub struct Resource {
    pattern: String,
    get: Option<Handler<Get, Snapshot>>,
    access: AccessRule,
    calls: Vec<(String, Handler<Call, Reply>)>,
    auths: Vec<(String, Handler<Auth, Reply>)>,
    owner: Owner,
    group: Option<String>,
    changes_per_second_max: u32,
    calls_side_by_side: bool,
    layers: Layers,
}

#[derive(Clone)]
pub(crate) enum AccessRule {
    /// The service's default handler, or denied if it has none.
    Default,
    Handler(Handler<Access, Grant>),
    Elsewhere,
}

impl Resource {
    /// A resource without a get handler: for calls and authentication.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            get: None,
            access: AccessRule::Default,
            calls: Vec::new(),
            auths: Vec::new(),
            owner: Owner::Name(1),
            group: None,
            changes_per_second_max: CHANGES_PER_SECOND_DEFAULT,
            calls_side_by_side: false,
            layers: Layers::default(),
        }
    }

    /// A model. Its get handler is the one source of its state: for the first answer and for every change after it.
    ///
    /// Up to where it first waits the handler runs in the task that takes the gets of all resources; the rest of it has a
    /// task of its own. So computing that takes long, or blocks, belongs into `tokio::task::spawn_blocking`.
    #[must_use]
    pub fn model<F, Fut>(pattern: impl Into<String>, get: F) -> Self
    where
        F: Fn(Get) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Model, Error>> + Send + 'static,
    {
        Self { get: Some(handler(get)), ..Self::new(pattern) }
    }

    /// A collection, with the same rule as [`Resource::model`].
    #[must_use]
    pub fn collection<F, Fut>(pattern: impl Into<String>, get: F) -> Self
    where
        F: Fn(Get) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Collection, Error>> + Send + 'static,
    {
        Self { get: Some(handler(get)), ..Self::new(pattern) }
    }

    /// Who may see the resource and call its methods. Keep it free of databases: a gateway asks it for every client
    /// and resource, and takes a late answer for a refusal. It runs as [`Resource::model`] says of get handlers, in the task
    /// that takes all access requests.
    #[must_use]
    pub fn access<F, Fut>(mut self, access: F) -> Self
    where
        F: Fn(Access) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Grant, Error>> + Send + 'static,
    {
        self.access = AccessRule::Handler(handler(access));
        self
    }

    /// Another service answers who may see the resource; this one stays silent.
    #[must_use]
    pub fn access_elsewhere(mut self) -> Self {
        self.access = AccessRule::Elsewhere;
        self
    }

    /// A method of the resource; `*` for every method without a handler of its own.
    ///
    /// The calls of one [group](Resource::group) are served one after the other, those of several side by side (see
    /// [`Resource::calls_side_by_side`]). Up to where it first waits a handler runs in the task that takes all calls, or in
    /// that of its group. So computing that takes long, or blocks, belongs into `tokio::task::spawn_blocking`.
    #[must_use]
    pub fn call<F, Fut>(mut self, method: impl Into<String>, call: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
    {
        self.calls.push((method.into(), handler(call)));
        self
    }

    /// An authentication method of the resource; `*` for every method without a handler of its own. Each request has a task
    /// of its own, as checking who somebody is takes computing.
    #[must_use]
    pub fn auth<F, Fut>(mut self, method: impl Into<String>, auth: F) -> Self
    where
        F: Fn(Auth) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Error>> + Send + 'static,
    {
        self.auths.push((method.into(), handler(auth)));
        self
    }

    /// The get handler runs only on the replica that holds the lease key made from this template, and that one alone
    /// publishes changes. `owned_by("event.$event")` gives `tickets.event.evt_1.section.s1` the key `event.evt_1`; say which
    /// of them there are with [`Service::own_keys`](crate::Service::own_keys). All replicas must have the same template: one
    /// that is to change needs all of them stopped for a moment.
    #[must_use]
    pub fn owned_by(mut self, template: impl Into<String>) -> Self {
        self.owner = Owner::Key(template.into());
        self
    }

    /// The resource belongs to the replica that holds the key `name.<i>`, with `i` a hash of the resource's name below
    /// `shards`: for resources too many to have a key each. By default that is so, with one shard. All replicas must have
    /// the same number: one that is to change needs all of them stopped for a moment. Who gets a shard has gateways ask
    /// again for all resources of the pattern that they have.
    #[must_use]
    pub fn owned_by_name(mut self, shards: u32) -> Self {
        self.owner = Owner::Name(shards);
        self
    }

    /// Any replica answers gets: for a resource that never changes. A [`Service::refresh`](crate::Service::refresh) of it
    /// makes gateways ask again, which is no way to announce one change after the other: a gateway that is asking already
    /// passes it over.
    #[must_use]
    pub fn unowned(mut self) -> Self {
        self.owner = Owner::Nobody;
        self
    }

    /// What is served strictly one after another, as a template like that of [`Resource::owned_by`]. By default that
    /// is everything of one owner key, or else one resource.
    #[must_use]
    pub fn group(mut self, template: impl Into<String>) -> Self {
        self.group = Some(template.into());
        self
    }

    /// Lets calls run beside each other, and beside the gets and changes of their group: for those whose order is kept by
    /// what they write to, such as a database that decides who was first.
    ///
    /// By default the calls of a group are served one after the other, in the order in which they came to this replica, and
    /// in one queue with the group's gets and changes. So a call may read state in memory and then change it, and what a
    /// [`Service::refresh_now`](crate::Service::refresh_now) within it tells is published before anything else of the group
    /// is done. While it takes its time, its group waits: gets fail after 9 s, calls are refused as busy after
    /// twice [`Builder::handler_time_max`](crate::Builder::handler_time_max), or if many wait. A call that waits for its own group, by
    /// a request or a task that refreshes, fails by its time limit. With several replicas each has the calls that came to it.
    #[must_use]
    pub fn calls_side_by_side(mut self) -> Self {
        self.calls_side_by_side = true;
        self
    }

    /// How many changes of one resource are published per second at most; 0 is without limit, the default is 20.
    /// A change after a pause goes out at once; of those that wait, the last state wins.
    #[must_use]
    pub fn changes_per_second_max(mut self, changes: u32) -> Self {
        self.changes_per_second_max = changes;
        self
    }

    /// Puts middleware around the handlers of one kind of request, as [`Builder::around`](crate::Builder::around) does
    /// for the whole service, whose middleware is further out.
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

    /// A template for owners or groups, made of literals and the tags of the pattern.
    fn part_of_pattern(&self, pattern: &Pattern, what: &str, template: &str) -> Result<Pattern, String> {
        let parsed = Pattern::parse(template)?;
        if parsed.has_tail() || template.is_empty() {
            return Err(format!(
                "pattern {:?}: the {what} {template:?} must be made of literals and tags",
                self.pattern
            ));
        }
        if let Some(tag) = parsed.tags().find(|tag| pattern.tag_index(tag).is_none()) {
            return Err(format!(
                "pattern {:?}: the {what} {template:?} has ${tag}, which the pattern has not",
                self.pattern
            ));
        }
        Ok(parsed)
    }

    /// Checks everything that can be wrong in the declaration.
    pub(crate) fn define(
        self,
        number: usize,
        service_access: Option<&Handler<Access, Grant>>,
        service_layers: &Layers,
        observer: Option<&Observer>,
    ) -> Result<Definition, String> {
        let pattern = Pattern::parse(&self.pattern)?;
        let of_resource = |what: &str, template: &str| self.part_of_pattern(&pattern, what, template);
        let owner = match &self.owner {
            Owner::Nobody => DefinedOwner::Nobody,
            // It has no state that could be owned.
            Owner::Name(1) if self.get.is_none() => DefinedOwner::Nobody,
            Owner::Name(0) => {
                return Err(format!("pattern {:?}: owned_by_name needs at least one shard", self.pattern));
            }
            Owner::Name(shards) => {
                DefinedOwner::Name((0..*shards).map(|shard| format!("name.{shard}").into()).collect())
            }
            Owner::Key(template) if template.split('.').next() == Some("name") => {
                return Err(format!(
                    "pattern {:?}: lease keys that begin with \"name.\" belong to owned_by_name",
                    self.pattern
                ));
            }
            Owner::Key(template) => DefinedOwner::Key(of_resource("owner", template)?),
        };
        let group = self.group.as_deref().map(|template| of_resource("group", template)).transpose()?;
        let access = match (self.access, service_access) {
            (AccessRule::Default, Some(handler)) => AccessRule::Handler(Arc::clone(handler)),
            (rule, _) => rule,
        };
        let pace =
            (self.changes_per_second_max > 0).then(|| Duration::from_secs(1) / self.changes_per_second_max);
        let mut layers = service_layers.and(&self.layers);
        let access = match access {
            AccessRule::Handler(handler) => {
                let handler = traced(layers.around(handler));
                AccessRule::Handler(observed(handler, observer, &self.pattern, None))
            }
            rule => rule,
        };
        Ok(Definition {
            number,
            get: self
                .get
                .map(|handler| observed(traced(layers.around(handler)), observer, &self.pattern, None)),
            access,
            calls: Methods::new(&self.pattern, self.calls, &mut layers, observer)?,
            auths: Methods::new(&self.pattern, self.auths, &mut layers, observer)?,
            owner,
            group,
            calls_side_by_side: self.calls_side_by_side,
            pace,
            pattern,
        })
    }
}

/// A checked [`Resource`].
pub(crate) struct Definition {
    /// Its place among the definitions of the service.
    pub(crate) number: usize,
    pub(crate) pattern: Pattern,
    pub(crate) get: Option<Handler<Get, Snapshot>>,
    pub(crate) access: AccessRule,
    pub(crate) calls: Methods<Call>,
    pub(crate) auths: Methods<Auth>,
    pub(crate) owner: DefinedOwner,
    pub(crate) group: Option<Pattern>,
    pub(crate) calls_side_by_side: bool,
    /// Least time between two changes of one resource.
    pub(crate) pace: Option<Duration>,
}

pub(crate) enum DefinedOwner {
    Nobody,
    Key(Pattern),
    /// The keys of all shards.
    Name(Vec<Arc<str>>),
}

impl Definition {
    /// The lease key a resource belongs to.
    pub(crate) fn key(&self, name: &str) -> Option<Arc<str>> {
        match &self.owner {
            DefinedOwner::Nobody => None,
            DefinedOwner::Key(template) => Some(template.fill(&self.pattern, name).into()),
            DefinedOwner::Name(keys) => {
                let shard = stable_hash(name) % keys.len() as u64;
                // It is less than a length.
                keys.get(usize::try_from(shard).unwrap_or(0)).cloned()
            }
        }
    }

    /// Whether this is a key that its owner template makes.
    pub(crate) fn may_have_key(&self, key: &str) -> bool {
        matches!(&self.owner, DefinedOwner::Key(template) if template.values(key).is_some())
    }

    /// The queue that a resource shares with others. Shards of names group nothing that belongs together, so there each
    /// resource has its own, which is called as it is.
    pub(crate) fn shared_group(&self, name: &str) -> Option<Arc<str>> {
        let (what, template) = match (&self.group, &self.owner) {
            (Some(template), _) => ("group ", template),
            (None, DefinedOwner::Key(template)) => ("key ", template),
            (None, _) => return None,
        };
        Some([what, &template.fill(&self.pattern, name)].concat().into())
    }

    /// What a gateway must ask again when this lease key has a new owner.
    pub(crate) fn reset_pattern(&self, service: &str, key: &str) -> Option<String> {
        match &self.owner {
            DefinedOwner::Nobody => None,
            DefinedOwner::Key(template) => {
                template.values(key).map(|values| self.pattern.reset_pattern(service, &values))
            }
            DefinedOwner::Name(keys) => {
                let shard: usize = key.strip_prefix("name.")?.parse().ok()?;
                (shard < keys.len()).then(|| self.pattern.reset_pattern(service, &[]))
            }
        }
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Resource")
            .field("pattern", &self.pattern)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Definition").field(&self.pattern.text).finish()
    }
}

/// The methods of one resource.
pub(crate) struct Methods<R> {
    named: HashMap<String, Handler<R, Reply>>,
    other: Option<Handler<R, Reply>>,
}

impl<R: Request<Answer = Reply>> Methods<R> {
    fn new(
        pattern: &str,
        handlers: Vec<(String, Handler<R, Reply>)>,
        layers: &mut Layers,
        observer: Option<&Observer>,
    ) -> Result<Self, String> {
        let mut methods = Self { named: HashMap::default(), other: None };
        for (method, handler) in handlers {
            let handler = observed(traced(layers.around(handler)), observer, pattern, Some(&method));
            let twice = if method == "*" {
                methods.other.replace(handler).is_some()
            } else if is_method(&method) {
                methods.named.insert(method.clone(), handler).is_some()
            } else {
                return Err(format!(
                    "pattern {pattern:?}: {method:?} cannot be a method: it must be one part, without dots, commas, spaces and '?'"
                ));
            };
            if twice {
                return Err(format!("pattern {pattern:?}: the method {method:?} has two handlers"));
            }
        }
        Ok(methods)
    }

    pub(crate) fn find(&self, method: &str) -> Option<&Handler<R, Reply>> {
        self.named.get(method).or(self.other.as_ref().filter(|_| is_part(method)))
    }
}

/// FNV-1a: every replica, of every version, must come to the same shard.
fn stable_hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(resource: Resource) -> String {
        resource.define(0, None, &Layers::default(), None).expect_err("a wrong declaration is refused")
    }

    #[test]
    fn t05_wrong_methods_are_refused_when_declared() {
        for method in ["a.b", "a?b", "", "a b", "a,b"] {
            let resource = Resource::new("x").call(method, |_| async { Ok(Reply::null()) });
            assert!(refused(resource).contains("cannot be a method"), "{method:?}");
        }
        let twice = Resource::new("x")
            .call("a", |_| async { Ok(Reply::null()) })
            .call("a", |_| async { Ok(Reply::null()) });
        assert!(refused(twice).contains("two handlers"));
    }

    #[test]
    fn an_owner_must_be_made_of_the_patterns_tags() {
        assert!(refused(Resource::new("event.$event").owned_by("event.$other")).contains("$other"));
        assert!(refused(Resource::new("event.$event").owned_by("event.>")).contains("literals and tags"));
        assert!(
            refused(Resource::new("event.$event").owned_by("name.$event"))
                .contains("belong to owned_by_name")
        );
        assert!(refused(Resource::new("event.$event").owned_by_name(0)).contains("at least one"));
    }

    #[test]
    fn keys_groups_and_resets_follow_from_the_owner() {
        let section = Resource::new("event.$event.section.$section")
            .owned_by("event.$event")
            .define(0, None, &Layers::default(), None)
            .expect("valid");
        let name = "tickets.event.evt_1.section.s1";
        assert_eq!(section.key(name).as_deref(), Some("event.evt_1"));
        let group = |of: &Definition, name: &str| of.shared_group(name).unwrap_or_else(|| name.into());
        assert_eq!(&*group(&section, name), "key event.evt_1");
        assert_eq!(
            section.reset_pattern("tickets", "event.evt_1").as_deref(),
            Some("tickets.event.evt_1.section.*")
        );
        assert_eq!(section.reset_pattern("tickets", "name.1"), None);

        let order = Resource::new("order.$id")
            .owned_by_name(16)
            .define(0, None, &Layers::default(), None)
            .expect("valid");
        let key = order.key("tickets.order.o1").expect("owned");
        assert_eq!(order.reset_pattern("tickets", &key).as_deref(), Some("tickets.order.*"));
        assert_eq!(order.reset_pattern("tickets", "name.16"), None);
        assert_eq!(&*group(&order, "tickets.order.o1"), "tickets.order.o1");
    }
}
