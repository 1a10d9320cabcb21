//! The turn of a group. A call that is served in its group's order may do the group's work itself, where it would
//! otherwise wait for its own end.

use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::error::Error;
use crate::group::Route;
use crate::handling::Rest;
use crate::ownership::Term;
use crate::service::Service;
use crate::worker;

pub(crate) use self::waits::{Waiter, Waits};

mod waits;

/// What runs in the turn of a group, one after the other.
struct Turn {
    /// Whose group it is: another service of the process may have one of the same name.
    service: usize,
    group: Arc<str>,
    /// Made by who first needs it: most calls begin one thing at a time.
    one: OnceLock<Arc<Mutex<()>>>,
}

tokio::task_local! {
    static TURN: Turn;
}

/// Serves a call in the turn of its group.
pub(crate) fn take(
    service: &Service,
    group: &Arc<str>,
    begin: impl FnOnce() -> Option<Rest>,
) -> Option<Rest> {
    let turn = |one| Turn { service: service.identity(), group: Arc::clone(group), one };
    let (rest, one) = TURN.sync_scope(turn(OnceLock::new()), || {
        let rest = begin()?;
        // What has begun together may hold it already.
        Some((rest, TURN.with(|turn| turn.one.clone())))
    })?;
    Some(TURN.scope(turn(one), rest).boxed())
}

/// Whether this runs in the turn of a group.
pub(crate) fn is_of(service: &Service, group: &str) -> bool {
    TURN.try_with(|turn| turn.service == service.identity() && *turn.group == *group).unwrap_or(false)
}

/// The group in whose turn this runs, if that is one of this service.
fn group_of(service: &Service) -> Option<Arc<str>> {
    TURN.try_with(|turn| (turn.service == service.identity()).then(|| Arc::clone(&turn.group))).ok()?
}

/// One at a time, however many of them the call begins together.
async fn alone() -> Option<OwnedMutexGuard<()>> {
    let one = TURN.try_with(|turn| Arc::clone(turn.one.get_or_init(Arc::default))).ok()?;
    Some(one.lock_owned().await)
}

/// Refreshes a resource in the turn of its group.
pub(crate) async fn refresh(service: &Service, route: &Route, term: Term) -> Result<(), Error> {
    let _alone = alone().await;
    let mut whole = Whole { service, route, is_done: false };
    let (sender, receiver) = oneshot::channel();
    service.groups().await_refresh(route, term, Waiter::new(sender, None));
    worker::run_refresh(service, route).await;
    whole.is_done = true;
    drop(whole);
    receiver.await.unwrap_or(Ok(()))
}

/// Tells that a resource is gone, in the turn of its group.
pub(crate) async fn delete(service: &Service, route: &Route) -> Result<(), Error> {
    let _alone = alone().await;
    let mut whole = Whole { service, route, is_done: false };
    let (done, deleted) = oneshot::channel();
    worker::run_delete(service, route, Waiter::new(done, None)).await;
    whole.is_done = true;
    drop(whole);
    deleted.await.unwrap_or(Ok(()))
}

/// The caller may be dropped between what is remembered and what is published of it: then gateways must ask again.
struct Whole<'a> {
    service: &'a Service,
    route: &'a Route,
    is_done: bool,
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.service.resets().follow_up(self.service, &self.route.name);
        }
    }
}
