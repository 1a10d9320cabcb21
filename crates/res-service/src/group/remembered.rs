//! What is remembered of one resource.

use std::time::Duration;

use tokio::time::Instant;

use crate::ownership::Ready;
use crate::snapshot::Snapshot;
use crate::trace::TraceContext;
use crate::turn::Waiter;

use super::Route;

pub(super) struct Remembered {
    pub(super) route: Route,
    /// Its term, as the last get found it.
    pub(super) ready: Ready,
    /// Of its last get.
    pub(super) stamp: u64,
    /// Where it is among those by age; that is put right only when it would be given up.
    pub(super) age: u64,
    pub(super) value: Option<Snapshot>,
    /// Whether somebody has asked with a query: then a refresh is also a query change.
    pub(super) queries: bool,
    pub(super) pending: Pending,
    pub(super) published_at: Option<Instant>,
    /// Since when a refresh runs: what it publishes counts for the pace of those asked for meanwhile.
    pub(super) refreshing_since: Option<Instant>,
    pub(super) failures: u32,
    pub(super) waiters: Vec<Waiter>,
    /// Of the last refresh that was asked for and belongs to a trace.
    pub(super) trace: Option<TraceContext>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    Queued,
    /// Waits for its time; the number tells this wait from an earlier one.
    Timed(u64),
}

impl Remembered {
    pub(super) fn new(route: &Route, ready: Ready, stamp: u64) -> Self {
        Self {
            route: route.clone(),
            ready,
            stamp,
            age: stamp,
            value: None,
            queries: false,
            pending: Pending::Nothing,
            published_at: None,
            refreshing_since: None,
            failures: 0,
            waiters: Vec::new(),
            trace: None,
        }
    }

    pub(super) fn now_if_paced(&self) -> Option<Instant> {
        self.route.definition.pace.map(|_| Instant::now())
    }

    /// How long a refresh must wait for the resource's pace.
    pub(super) fn wait(&self) -> Option<Duration> {
        let next = self.refreshing_since.max(self.published_at)? + self.route.definition.pace?;
        next.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero())
    }
}
