//! What a group has to do.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::handling::Rest;
use crate::in_flight::Slot;
use crate::router::{GET_TIME_MAX, IncomingGet};
use crate::service::Service;
use crate::trace::TraceContext;
use crate::turn::Waiter;

use super::Route;

/// Does what can be done without waiting, and gives back the rest.
type Begin = Box<dyn FnOnce(&Service) -> Option<Rest> + Send>;

/// A piece of work of a group.
pub(crate) enum Job {
    Get(IncomingGet),
    /// A call that is served in order.
    Call(Begin),
    Refresh(Route),
    Query {
        route: Route,
        query: Box<str>,
        received: Instant,
        slot: Slot,
    },
    Delete {
        route: Route,
        done: Waiter,
        trace: Option<TraceContext>,
    },
}

impl Job {
    /// Notes until when it may wait; a call has been told that by who knows how long.
    fn waits(&mut self) {
        match self {
            Self::Get(get) => {
                get.has_waited = true;
                get.slot.wait_for_turn(get.received + GET_TIME_MAX, &get.route.name);
            }
            Self::Query { route, received, slot, .. } => {
                slot.wait_for_turn(*received + GET_TIME_MAX, &route.name);
            }
            Self::Call(_) | Self::Refresh(_) | Self::Delete { .. } => {}
        }
    }
}

/// What waits behind the work of a group.
#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    calls: usize,
}

impl Queue {
    pub(super) fn push(&mut self, mut job: Job) {
        job.waits();
        self.calls += usize::from(matches!(job, Job::Call(_)));
        self.jobs.push_back(job);
    }

    pub(super) fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.calls -= usize::from(matches!(job, Job::Call(_)));
        Some(job)
    }

    /// How many calls wait.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::route;

    #[test]
    fn of_what_waits_calls_are_counted() {
        let mut queue = Queue::default();
        let call = || Job::Call(Box::new(|_| None));
        for job in [Job::Refresh(route()), call(), Job::Refresh(route()), call()] {
            queue.push(job);
        }
        let mut left = Vec::new();
        while queue.pop().is_some() {
            left.push(queue.calls());
        }
        assert_eq!(left, [2, 1, 1, 0]);
    }
}
