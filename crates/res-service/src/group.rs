//! The queues in which gets, calls and refreshes run one after another, and what is remembered of each resource.
//!
//! A resource is remembered from the start of its first get in a term on: from then on somebody may have its state, so
//! a refresh must tell what changed. Of one that is not remembered nobody has a state from this owner, and the resets
//! that follow an acquisition make the gateways ask for it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ownership::{Ownership, Ready, Term};
use crate::resource::Definition;
use crate::service::Service;
use crate::snapshot::Snapshot;
use crate::statistics::{Statistics, count};
use crate::trace::TraceContext;
use crate::turn::Waiter;
use crate::worker::{begin_own, begin_work};

pub(crate) use self::queue::Job;
use self::queue::Queue;
use self::remembered::{Pending, Remembered};
pub(crate) use self::route::Route;

mod queue;
mod remembered;
mod route;
#[cfg(test)]
mod tests;

#[derive(Default)]
pub(crate) struct Groups {
    state: Mutex<State>,
    idle: Notify,
}

/// Names come from clients, who cannot choose ones that collide: the hashes are keyed by chance in every process.
#[derive(Default)]
struct State {
    /// The groups in which something is being done, each with what waits behind it.
    at_work: HashMap<Arc<str>, Queue>,
    /// What is remembered, by the name of the resource.
    entries: HashMap<Arc<str>, Remembered>,
    /// Entries by their last get as far as it is known, oldest first: what is given up first when there are too many. A
    /// resource that is still watched comes back at once, as the gateway asks for it after the reset; one that nobody
    /// watches does not.
    by_age: BTreeMap<u64, Arc<str>>,
    stamps: u64,
    /// Whether anybody has asked when nothing is done any more: only a service that stops does.
    idle_is_awaited: bool,
}

/// When the group of a call does it.
pub(crate) enum Turn {
    /// Nothing of the group was being done, and it is the caller who must do its work now.
    Now(Arc<str>),
    Later(Arc<str>),
    /// As many calls as may wait do.
    Never,
}

/// What a refresh starts with.
pub(crate) struct Started {
    pub(crate) has_value: bool,
    pub(crate) queries: bool,
    pub(crate) term: Term,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) trace: Option<TraceContext>,
}

/// What was remembered before.
pub(crate) enum Swapped {
    /// This state was the last that was told.
    Earlier(Snapshot),
    /// The same state was; this is the answer that says it.
    Same(Bytes),
    /// None yet.
    First,
    /// The resource has been given up meanwhile, and nothing is remembered now either.
    Unknown,
}

/// What became of an asked refresh.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It will run.
    Queued,
    /// One was waiting already.
    Conflated,
    /// Nobody has the resource.
    Unknown,
}

impl Groups {
    /// Puts work into its group and sees that somebody does it.
    pub(crate) fn push(&self, service: &Service, group: &Arc<str>, job: Job) {
        self.lock().push(service, group, job);
    }

    /// Like [`Groups::push`], but what can be done without waiting is done by the caller: most gets are.
    pub(crate) fn push_and_begin(&self, service: &Service, group: &Arc<str>, job: Job) {
        {
            let mut state = self.lock();
            if state.was_at_work(group) {
                return state.wait(group, job);
            }
        }
        begin_work(service, group, job);
    }

    /// Takes the turn of a resource's group for a call, if nothing of it is being done.
    pub(crate) fn turn(&self, definition: &Definition, name: &str, calls_max: usize) -> Turn {
        let mut state = self.lock();
        let remembered = state.entries.get(name).map(|entry| Arc::clone(&entry.route.group));
        let group = remembered.or_else(|| definition.shared_group(name)).unwrap_or_else(|| name.into());
        match state.at_work.entry(Arc::clone(&group)) {
            Entry::Occupied(waiting) if waiting.get().calls() >= calls_max => Turn::Never,
            Entry::Occupied(_) => Turn::Later(group),
            Entry::Vacant(idle) => {
                idle.insert(Queue::default());
                Turn::Now(group)
            }
        }
    }

    /// The next piece of work; `None` ends the worker.
    pub(crate) fn next(&self, group: &Arc<str>) -> Option<Job> {
        let mut state = self.lock();
        // Mostly there is none.
        let (group, mut waiting) = state.at_work.remove_entry(group)?;
        if let Some(job) = waiting.pop() {
            state.at_work.insert(group, waiting);
            return Some(job);
        }
        if state.idle_is_awaited && state.at_work.is_empty() {
            self.idle.notify_waiters();
        }
        None
    }

    /// Waits until no group has work.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            {
                let mut state = self.lock();
                state.idle_is_awaited = true;
                if state.at_work.is_empty() {
                    return;
                }
            }
            idle.await;
        }
    }

    /// Whether no group has work, and no refresh waits for its time.
    #[cfg(feature = "test-kit")]
    pub(crate) fn are_quiet(&self) -> bool {
        let state = self.lock();
        let mut entries = state.entries.values();
        state.at_work.is_empty() && entries.all(|entry| entry.pending == Pending::Nothing)
    }

    /// Where a resource belongs, if it is remembered.
    pub(crate) fn route(&self, name: &str) -> Option<Route> {
        self.lock().entries.get(name).map(|entry| entry.route.clone())
    }

    /// Where a resource belongs, if it is remembered; and its term, if a get of it begins with this: the term is known to
    /// last, and nothing of the group is being done. Then it is the caller who must do the group's work.
    pub(crate) fn begin_at_once(
        &self,
        ownership: &Ownership,
        name: &str,
        now: Instant,
    ) -> Option<(Route, Option<Ready>)> {
        let mut state = self.lock();
        let State { at_work, entries, stamps, .. } = &mut *state;
        let entry = entries.get_mut(name)?;
        let route = entry.route.clone();
        if ownership.is_as_it_was(&entry.ready, now)
            && let Entry::Vacant(idle) = at_work.entry(Arc::clone(&route.group))
        {
            idle.insert(Queue::default());
            *stamps += 1;
            entry.stamp = *stamps;
            return Some((route, Some(entry.ready)));
        }
        Some((route, None))
    }

    /// Marks that a get of this resource begins now. Gives back what must be reset because there was no room for both.
    pub(crate) fn begin_get(
        &self,
        remembered_max: usize,
        statistics: &Statistics,
        route: &Route,
        ready: Ready,
    ) -> Vec<Arc<str>> {
        let mut state = self.lock();
        state.stamps += 1;
        let stamp = state.stamps;
        if let Some(entry) = state.entries.get_mut(&route.name) {
            if entry.ready.term != ready.term {
                *entry = Remembered { age: entry.age, ..Remembered::new(route, ready, stamp) };
            }
            entry.ready = ready;
            entry.stamp = stamp;
            return Vec::new();
        }
        state.entries.insert(Arc::clone(&route.name), Remembered::new(route, ready, stamp));
        state.by_age.insert(stamp, Arc::clone(&route.name));
        let mut evicted = Vec::new();
        while state.by_age.len() > remembered_max.max(1) {
            let Some(name) = state.pop_oldest() else { break };
            count(&statistics.remembered_evicted);
            evicted.push(name);
        }
        state.measure(statistics);
        evicted
    }

    /// Replaces what is remembered and gives the earlier state back, if it was another.
    pub(crate) fn swap(&self, route: &Route, term: Term, value: &Snapshot) -> Swapped {
        let mut state = self.lock();
        let Some(entry) = state.entry(route, term) else { return Swapped::Unknown };
        if value.query().is_some() {
            entry.queries = true;
            return Swapped::First;
        }
        if let Some(earlier) = entry.value.as_ref().filter(|earlier| earlier.is_same(value)) {
            return Swapped::Same(earlier.query_reply());
        }
        entry.value.replace(value.clone()).map_or(Swapped::First, Swapped::Earlier)
    }

    /// Forgets the state of a resource that is gone; true if somebody may have it. That there are queries is still
    /// remembered: each of them is asked for by itself, and may go on.
    pub(crate) fn forget(&self, service: &Service, route: &Route, term: Term) -> bool {
        let mut state = self.lock();
        let Some(entry) = state.entry(route, term) else { return false };
        let known = entry.value.take().is_some();
        entry.failures = 0;
        if !entry.queries {
            state.remove(&route.name);
            state.measure(service.statistics());
        }
        known
    }

    /// Whether somebody has asked for this resource with a query, as far as is remembered.
    pub(crate) fn has_queries(&self, route: &Route, term: Term) -> bool {
        self.lock().entry(route, term).is_some_and(|entry| entry.queries)
    }

    /// Forgets a resource of which a first get failed, so that there is nothing to tell anybody.
    pub(crate) fn forget_if_empty(&self, service: &Service, route: &Route, term: Term) {
        let mut state = self.lock();
        if state.entry(route, term).is_some_and(|entry| entry.value.is_none() && !entry.queries) {
            state.remove(&route.name);
            state.measure(service.statistics());
        }
    }

    /// Forgets everything of these keys: they are no longer owned here.
    pub(crate) fn forget_keys(&self, service: &Service, keys: &[&str]) {
        let keys: HashSet<&str> = keys.iter().copied().collect();
        let mut state = self.lock();
        let State { entries, by_age, .. } = &mut *state;
        entries.retain(|_, entry| {
            let lost = entry.route.key.as_deref().is_some_and(|key| keys.contains(key));
            if lost {
                by_age.remove(&entry.age);
            }
            !lost
        });
        state.measure(service.statistics());
    }

    /// Asks for a refresh: at once if the resource is idle, else when its pace allows; one that waits stands for all.
    pub(crate) fn ask_refresh(&self, service: &Service, route: &Route, term: Term) -> Asked {
        let mut state = self.lock();
        state.stamps += 1;
        let number = state.stamps;
        let Some(entry) = state.entry(route, term) else { return Asked::Unknown };
        entry.trace = TraceContext::current().or(entry.trace.take());
        if entry.pending != Pending::Nothing {
            return Asked::Conflated;
        }
        if let Some(wait) = entry.wait() {
            entry.pending = Pending::Timed(number);
            service.groups().fire_after(service, route, number, wait);
        } else {
            entry.pending = Pending::Queued;
            state.push(service, &route.group, Job::Refresh(route.clone()));
        }
        Asked::Queued
    }

    /// Asks for a refresh whatever its pace, and tells when it has been published. If the resource is idle, the caller
    /// does the work as far as that goes without waiting, which it must be able to afford: the get handler runs within
    /// this call.
    pub(crate) fn refresh_now(&self, service: &Service, route: &Route, term: Term, waiter: Waiter) {
        let mut state = self.lock();
        let Some(entry) = state.entry(route, term) else {
            waiter.tell(Ok(()));
            return;
        };
        entry.waiters.push(waiter);
        entry.trace = TraceContext::current().or(entry.trace.take());
        if entry.pending == Pending::Queued {
            return;
        }
        entry.pending = Pending::Queued;
        let job = Job::Refresh(route.clone());
        if state.was_at_work(&route.group) {
            return state.wait(&route.group, job);
        }
        drop(state);
        begin_own(service, &route.group, job);
    }

    /// Tells when the next refresh that begins has been published.
    pub(crate) fn await_refresh(&self, route: &Route, term: Term, waiter: Waiter) {
        match self.lock().entry(route, term) {
            Some(entry) => {
                entry.waiters.push(waiter);
                entry.trace = TraceContext::current().or(entry.trace.take());
            }
            None => waiter.tell(Ok(())),
        }
    }

    /// A refresh begins: whoever asks from now on needs another.
    pub(crate) fn begin_refresh(&self, route: &Route) -> Option<Started> {
        let mut state = self.lock();
        let entry = state.entries.get_mut(&route.name)?;
        entry.pending = Pending::Nothing;
        entry.refreshing_since = entry.now_if_paced();
        Some(Started {
            has_value: entry.value.is_some(),
            queries: entry.queries,
            term: entry.ready.term,
            waiters: std::mem::take(&mut entry.waiters),
            trace: entry.trace.take(),
        })
    }

    /// Notes when the resource was last heard of, for its pace.
    pub(crate) fn published(&self, route: &Route, term: Term) {
        if let Some(entry) = self.lock().entry(route, term) {
            entry.published_at = entry.now_if_paced();
            entry.refreshing_since = None;
            entry.failures = 0;
        }
    }

    /// Notes that a refresh came through without anything to say.
    pub(crate) fn refreshed(&self, route: &Route, term: Term) {
        if let Some(entry) = self.lock().entry(route, term) {
            entry.failures = 0;
            entry.refreshing_since = None;
        }
    }

    /// Plans a failed refresh again after `wait(failures)`; false if it has failed too often or nobody waits for it.
    pub(crate) fn retry_refresh(
        &self,
        service: &Service,
        route: &Route,
        term: Term,
        wait: impl Fn(u32) -> Option<Duration>,
    ) -> bool {
        let mut state = self.lock();
        state.stamps += 1;
        let number = state.stamps;
        let Some(entry) = state.entry(route, term) else { return true };
        entry.refreshing_since = None;
        let Some(wait) = wait(entry.failures) else { return false };
        entry.failures += 1;
        if entry.pending == Pending::Nothing {
            entry.pending = Pending::Timed(number);
            service.groups().fire_after(service, route, number, wait);
        }
        true
    }

    fn fire_after(&self, service: &Service, route: &Route, number: u64, wait: Duration) {
        let (handle, service, route) = (service.clone(), service.clone(), route.clone());
        handle.spawn(async move {
            tokio::time::sleep(wait).await;
            let mut state = service.groups().lock();
            let entry = state.entries.get_mut(&route.name);
            if let Some(entry) = entry.filter(|entry| entry.pending == Pending::Timed(number)) {
                entry.pending = Pending::Queued;
                state.push(&service, &route.group, Job::Refresh(route.clone()));
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, service: &Service, group: &Arc<str>, job: Job) {
        if self.was_at_work(group) {
            return self.wait(group, job);
        }
        let (handle, service, group) = (service.clone(), service.clone(), Arc::clone(group));
        handle.spawn(async move { begin_work(&service, &group, job) });
    }

    /// Puts a group to work, if it was not yet: then it is the caller who must do what there is to do.
    fn was_at_work(&mut self, group: &Arc<str>) -> bool {
        match self.at_work.entry(Arc::clone(group)) {
            Entry::Occupied(_) => true,
            Entry::Vacant(idle) => {
                idle.insert(Queue::default());
                false
            }
        }
    }

    /// Lets work wait in a group that is at work.
    fn wait(&mut self, group: &Arc<str>, job: Job) {
        self.at_work.entry(Arc::clone(group)).or_default().push(job);
    }

    fn entry(&mut self, route: &Route, term: Term) -> Option<&mut Remembered> {
        self.entries.get_mut(&route.name).filter(|entry| entry.ready.term == term)
    }

    fn remove(&mut self, name: &Arc<str>) {
        if let Some(entry) = self.entries.remove(name) {
            self.by_age.remove(&entry.age);
        }
    }

    /// Forgets what has not been got for the longest time.
    fn pop_oldest(&mut self) -> Option<Arc<str>> {
        loop {
            let (age, name) = self.by_age.pop_first()?;
            match self.entries.get_mut(&name) {
                Some(entry) if entry.stamp != age => {
                    entry.age = entry.stamp;
                    self.by_age.insert(entry.age, name);
                }
                _ => {
                    self.entries.remove(&name);
                    return Some(name);
                }
            }
        }
    }

    fn measure(&self, statistics: &Statistics) {
        let remembered = self.by_age.len() as u64;
        statistics.remembered.set(remembered);
    }
}
