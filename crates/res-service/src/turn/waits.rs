//! Which groups wait for which others: calls that would wait for each other must be told apart from those that may wait.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::Error;
use crate::service::Service;

/// Which groups' turns wait for which other groups.
#[derive(Default)]
pub(crate) struct Waits(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    number: u64,
    waits: Vec<Noting>,
}

struct Noting {
    number: u64,
    from: Arc<str>,
    to: Arc<str>,
}

/// The turn of a group waits for another group, until one of these is dropped: by who waits, or by who does what is
/// waited for.
#[derive(Clone)]
pub(crate) struct Wait {
    waits: Arc<Waits>,
    number: u64,
}

/// The other group waits for this one already, by itself or through others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InACircle;

impl Waits {
    /// Notes that whoever runs this waits for a group, if that is in the turn of another group of this service.
    pub(crate) fn note(service: &Service, awaited: &Arc<str>) -> Result<Option<Wait>, InACircle> {
        super::group_of(service).map(|group| service.waits().between(&group, awaited)).transpose()
    }

    fn between(self: &Arc<Self>, group: &Arc<str>, awaited: &Arc<str>) -> Result<Wait, InACircle> {
        let mut noted = self.lock();
        let mut reached = BTreeSet::from([awaited]);
        let mut open = vec![awaited];
        while let Some(next) = open.pop() {
            if next == group {
                return Err(InACircle);
            }
            let further = noted.waits.iter().filter(|wait| wait.from == *next).map(|wait| &wait.to);
            open.extend(further.filter(|to| reached.insert(to)));
        }
        noted.number += 1;
        let number = noted.number;
        noted.waits.push(Noting { number, from: Arc::clone(group), to: Arc::clone(awaited) });
        Ok(Wait { waits: Arc::clone(self), number })
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.lock().waits.retain(|wait| wait.number != self.number);
    }
}

/// Somebody who waits until something has been published.
pub(crate) struct Waiter {
    sender: oneshot::Sender<Result<(), Error>>,
    wait: Option<Wait>,
}

impl Waiter {
    pub(crate) fn new(sender: oneshot::Sender<Result<(), Error>>, wait: Option<Wait>) -> Self {
        Self { sender, wait }
    }

    /// The wait has ended, whenever who waited goes on: what is done next may wait for that one.
    pub(crate) fn tell(self, outcome: Result<(), Error>) {
        drop(self.wait);
        let _ = self.sender.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_wait_in_a_circle_is_told_and_who_would_not_may_wait() {
        let (waits, [a, b, c]) = (Arc::<Waits>::default(), ["a", "b", "c"].map(Arc::<str>::from));
        let first = waits.between(&a, &b).ok();
        let again = waits.between(&a, &b).ok();
        let second = waits.between(&b, &c).ok();
        assert!(first.is_some() && again.is_some() && second.is_some());
        assert_eq!(waits.between(&b, &a).err(), Some(InACircle));
        assert_eq!(waits.between(&c, &a).err(), Some(InACircle), "through b");
        drop(first);
        assert_eq!(waits.between(&c, &a).err(), Some(InACircle), "one of two has ended");
        drop(again);
        assert!(waits.between(&c, &a).is_ok());
        assert!(waits.between(&a, &c).is_ok());
        drop(second);
        assert!(waits.lock().waits.is_empty());
    }

    #[test]
    fn a_wait_ends_when_its_end_is_told_or_nobody_waits_any_more() {
        let (waits, [a, b]) = (Arc::<Waits>::default(), ["a", "b"].map(Arc::<str>::from));
        for is_told in [true, false] {
            let wait = waits.between(&a, &b).ok();
            let (sender, receiver) = oneshot::channel();
            let waiter = Waiter::new(sender, wait.clone());
            assert_eq!(waits.between(&b, &a).err(), Some(InACircle));
            if is_told {
                waiter.tell(Ok(()));
                assert!(waits.between(&b, &a).is_ok(), "though who waited has not gone on yet");
                drop((wait, receiver));
            } else {
                drop((wait, receiver));
                assert!(waits.between(&b, &a).is_ok(), "though it has not been done yet");
            }
        }
    }
}
