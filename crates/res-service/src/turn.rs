//! The turn of a group. A call that is served in its group's order may do the group's work itself, where it would
//! otherwise wait for its own end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard, OnceLock, PoisonError};

use futures::FutureExt;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::error::Error;
use crate::group::Route;
use crate::handling::Rest;
use crate::ownership::Term;
use crate::service::Service;
use crate::worker;

/// What runs in the turn of a group, one after the other.
struct Turn {
    group: Arc<str>,
    /// Made by who first needs it: most calls begin one thing at a time.
    one: OnceLock<Arc<Mutex<()>>>,
}

tokio::task_local! {
    static TURN: Turn;
}

/// Serves a call in the turn of its group.
pub(crate) fn take(group: &Arc<str>, begin: impl FnOnce() -> Option<Rest>) -> Option<Rest> {
    let turn = |one| Turn { group: Arc::clone(group), one };
    let (rest, one) = TURN.sync_scope(turn(OnceLock::new()), || {
        let rest = begin()?;
        // What has begun together may hold it already.
        Some((rest, TURN.with(|turn| turn.one.clone())))
    })?;
    Some(TURN.scope(turn(one), rest).boxed())
}

/// Whether this runs in the turn of a group.
pub(crate) fn is_of(group: &str) -> bool {
    TURN.try_with(|turn| *turn.group == *group).unwrap_or(false)
}

/// Which groups' turns wait for which other groups.
#[derive(Default)]
pub(crate) struct Waits(SyncMutex<Vec<(Arc<str>, Arc<str>)>>);

/// The turn of a group that waits for another, as long as this is kept.
pub(crate) struct Wait<'a> {
    waits: &'a Waits,
    groups: (Arc<str>, Arc<str>),
}

/// The other group waits for this one already, by itself or through others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InACircle;

impl Waits {
    /// Notes that whoever runs this waits for a group, if that is in the turn of another.
    pub(crate) fn for_group(&self, awaited: &Arc<str>) -> Result<Option<Wait<'_>>, InACircle> {
        TURN.try_with(|turn| self.of(&turn.group, awaited)).map_or(Ok(None), |wait| wait.map(Some))
    }

    fn of(&self, group: &Arc<str>, awaited: &Arc<str>) -> Result<Wait<'_>, InACircle> {
        let mut waits = self.lock();
        let mut reached = BTreeSet::from([awaited]);
        let mut open = vec![awaited];
        while let Some(next) = open.pop() {
            if next == group {
                return Err(InACircle);
            }
            let further = waits.iter().filter(|(from, _)| from == next).map(|(_, to)| to);
            open.extend(further.filter(|to| reached.insert(to)));
        }
        let groups = (Arc::clone(group), Arc::clone(awaited));
        waits.push(groups.clone());
        Ok(Wait { waits: self, groups })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Arc<str>, Arc<str>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = self.waits.lock();
        if let Some(index) = waits.iter().position(|groups| *groups == self.groups) {
            waits.swap_remove(index);
        }
    }
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
    service.groups().await_refresh(route, term, sender);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_wait_in_a_circle_is_told_and_who_would_not_may_wait() {
        let (waits, [a, b, c]) = (Waits::default(), ["a", "b", "c"].map(Arc::<str>::from));
        let first = waits.of(&a, &b).ok();
        let again = waits.of(&a, &b).ok();
        let second = waits.of(&b, &c).ok();
        assert!(first.is_some() && again.is_some() && second.is_some());
        assert_eq!(waits.of(&b, &a).err(), Some(InACircle));
        assert_eq!(waits.of(&c, &a).err(), Some(InACircle), "through b");
        drop(first);
        assert_eq!(waits.of(&c, &a).err(), Some(InACircle), "one of two has ended");
        drop(again);
        assert!(waits.of(&c, &a).is_ok());
        assert!(waits.of(&a, &c).is_ok());
        drop(second);
        assert!(waits.lock().is_empty());
    }
}
