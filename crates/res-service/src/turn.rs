//! The turn of a group. A call that is served in its group's order may do the group's work itself, where it would
//! otherwise wait for its own end.

use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::group::Route;
use crate::handling::Rest;
use crate::ownership::Term;
use crate::service::Service;
use crate::worker;

tokio::task_local! {
    static TURN: Arc<str>;
}

/// Serves a call in the turn of its group.
pub(crate) fn take(group: &Arc<str>, begin: impl FnOnce() -> Option<Rest>) -> Option<Rest> {
    let rest = TURN.sync_scope(Arc::clone(group), begin)?;
    Some(TURN.scope(Arc::clone(group), rest).boxed())
}

/// Whether this runs in the turn of a group.
pub(crate) fn is_of(group: &str) -> bool {
    TURN.try_with(|turn| **turn == *group).unwrap_or(false)
}

/// Refreshes a resource in the turn of its group.
pub(crate) async fn refresh(service: &Service, route: &Route, term: Term) -> Result<(), Error> {
    let mut whole = Whole { service, route, is_done: false };
    let (sender, receiver) = oneshot::channel();
    service.groups().await_refresh(route, term, sender);
    worker::run_refresh(service, route).await;
    whole.is_done = true;
    drop(whole);
    receiver.await.unwrap_or(Ok(()))
}

/// Tells that a resource is gone, in the turn of its group.
pub(crate) async fn delete(service: &Service, route: &Route) -> Result<(), Error> {
    let mut whole = Whole { service, route, is_done: false };
    let (done, deleted) = oneshot::channel();
    worker::run_delete(service, route, done).await;
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
