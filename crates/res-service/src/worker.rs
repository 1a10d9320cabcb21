//! The work of a group: one piece after another, everything published in the order in which it was read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::error::Error;
use crate::group::{Job, Route};
use crate::handling::{Begun, Rest, begin, guarded, now_or_later};
use crate::in_flight::{Punctuality, Slot, SlotKey};
use crate::ownership::Term;
use crate::request::{Get, Target};
use crate::router::{GET_TIME_MAX, IncomingGet, waited_too_long};
use crate::service::Service;
use crate::snapshot::Snapshot;
use crate::statistics::count;
use crate::trace::within;
use crate::turn::{self, Waiter};

mod get;
mod refresh;

/// Pieces of work that who brings the first does before others are let in.
const JOBS_AT_ONCE: usize = 64;

/// The term ended while something was being published.
#[derive(Debug)]
struct TermEnded;

/// Does a piece of work of a group that was idle, and everything that comes meanwhile; what must be waited for goes on as
/// a task.
pub(crate) fn begin_work(service: &Service, group: &Arc<str>, job: Job) {
    let mut rest = begin_job(service, group, job);
    for _ in 0..JOBS_AT_ONCE {
        if let Some(rest) = rest {
            return wait(service, group, rest);
        }
        let Some(job) = service.groups().next(group) else { return };
        rest = begin_job(service, group, job);
    }
    service.spawn(work(service.clone(), Arc::clone(group), rest));
}

/// Serves a get that has been given the turn of its group, and does what comes meanwhile. Most gets go this way, which is
/// shorter than that of all kinds of work.
pub(crate) fn serve_at_once(service: &Service, get: IncomingGet) {
    let route = get.route.clone();
    at_once(service, &route.group, || get::serve(service, get));
}

/// Serves a call that has been given the turn of its group, and does what comes meanwhile.
pub(crate) fn call_at_once(service: &Service, group: &Arc<str>, begin: impl FnOnce() -> Option<Rest>) {
    at_once(service, group, || turn::take(service, group, begin));
}

#[inline]
fn at_once(service: &Service, group: &Arc<str>, begin: impl FnOnce() -> Option<Rest>) {
    match catch_unwind(AssertUnwindSafe(begin)) {
        Ok(None) => {}
        Ok(Some(rest)) => return wait(service, group, rest),
        Err(_) => note_panic(service, group),
    }
    if let Some(job) = service.groups().next(group) {
        begin_work(service, group, job);
    }
}

/// Goes on with a group when what must be waited for is done.
#[inline(never)]
fn wait(service: &Service, group: &Arc<str>, rest: Rest) {
    now_or_later(work(service.clone(), Arc::clone(group), Some(rest)));
}

/// Does a piece of work of its own for whoever waits for it. What others have asked for does not run in the caller's
/// future, which may carry things that are none of their business.
pub(crate) fn begin_own(service: &Service, group: &Arc<str>, job: Job) {
    if Handle::try_current().is_err() {
        // Handlers may need the runtime, which this caller is outside of.
        let (handle, group) = (service.clone(), Arc::clone(group));
        return service.spawn(async move { begin_work(&handle, &group, job) });
    }
    let rest = begin_job(service, group, job);
    let next = if rest.is_none() { service.groups().next(group) } else { None };
    let (handle, group) = (service.clone(), Arc::clone(group));
    match (rest, next) {
        (None, None) => {}
        (None, Some(job)) => service.spawn(async move { begin_work(&handle, &group, job) }),
        (rest, _) => service.spawn(work(handle, group, rest)),
    }
}

/// Does what a group has to do until nothing is left.
pub(crate) async fn work(service: Service, group: Arc<str>, mut rest: Option<Rest>) {
    loop {
        if let Some(rest) = rest
            && AssertUnwindSafe(rest).catch_unwind().await.is_err()
        {
            note_panic(&service, &group);
        }
        let Some(job) = service.groups().next(&group) else { return };
        rest = begin_job(&service, &group, job);
    }
}

/// A group must go on whatever happens: what is queued behind would wait for ever.
fn begin_job(service: &Service, group: &Arc<str>, job: Job) -> Option<Rest> {
    let begin = || match job {
        Job::Get(get) => get::serve(service, get),
        Job::Call(begin) => turn::take(service, group, || begin(service)),
        Job::Refresh(route) => refresh::serve(service, route),
        Job::Query { route, query, received, slot } => {
            let service = service.clone();
            Some(async move { run_query(&service, &route, query, received, slot).await }.boxed())
        }
        Job::Delete { route, done, trace } => {
            let service = service.clone();
            Some(async move { within(trace, run_delete(&service, &route, done)).await }.boxed())
        }
    };
    catch_unwind(AssertUnwindSafe(begin)).unwrap_or_else(|_| {
        note_panic(service, group);
        None
    })
}

#[cold]
fn note_panic(service: &Service, group: &Arc<str>) {
    count(&service.statistics().handler_panics);
    tracing::error!(res.group = %group, "serving a resource panicked");
}

/// Asks the get handler for the state of now; `asked` are subject and headers if a gateway did, and `slot` that of who
/// waits.
fn begin_read(
    service: &Service,
    route: &Route,
    query: Option<Box<str>>,
    asked: Option<(Subject, Option<Arc<HeaderMap>>)>,
    slot: Option<SlotKey>,
) -> Begun<Snapshot> {
    let Some(handler) = &route.definition.get else { return Begun::Done(Err(Error::NOT_FOUND)) };
    let (subject, headers) = asked.unwrap_or_else(|| (["get.", &*route.name].concat().into(), None));
    let name_start = "get.".len();
    let name_end = subject.as_str().len();
    let definition = route.definition.number;
    let target =
        Target { service: service.clone(), definition, subject, name_start, name_end, headers, slot };
    let span = tracing::debug_span!("request", res.kind = "get", res.resource = %route.name);
    begin(service, span, || handler(Get { target, query }))
}

/// Publishes what leads from one state to the next.
async fn announce(
    service: &Service,
    route: &Route,
    term: Term,
    earlier: &Snapshot,
    later: &Snapshot,
) -> Result<(), TermEnded> {
    let bytes_max = service.connection().max_payload();
    let changes = later.changes_from(earlier);
    let Some(changes) =
        changes.filter(|changes| changes.iter().all(|(_, payload)| payload.len() <= bytes_max))
    else {
        service.publish_reset(&[&route.name], &[]).await;
        return Ok(());
    };
    for (change, payload) in changes {
        publish(service, route, term, change, payload).await?;
        service.groups().published(route, term);
    }
    Ok(())
}

async fn run_query(service: &Service, route: &Route, query: Box<str>, received: Instant, slot: Slot) {
    let owned =
        |service: &Service| route.key.as_deref().is_none_or(|key| service.ownership().term(key).is_some());
    let error = if slot.take_turn(Instant::now()) != Punctuality::InTime {
        waited_too_long()
    } else if owned(service) {
        let time_left = GET_TIME_MAX.saturating_sub(received.elapsed());
        let time_max = time_left.min(service.limits().handler_time_max);
        let outcome = match begin_read(service, route, Some(query), None, Some(slot.key())) {
            Begun::Done(outcome) => outcome,
            Begun::Waiting(handled) => guarded(service, time_max, handled).await,
        };
        match outcome {
            Ok(snapshot) if owned(service) => {
                service.resets().succeeded(&route.name);
                return answer_query(service, route, &slot, Ok(snapshot.query_reply())).await;
            }
            Ok(_) => Error::internal("the resource got another owner while it was being read"),
            Err(error) => error,
        }
    } else {
        Error::internal("the resource has another owner by now, which makes the gateways ask for it again")
    };
    let may_pass = error.may_pass();
    answer_query(service, route, &slot, Err(error)).await;
    if may_pass {
        // A gateway passes this error over and keeps what it has, so it must be made to ask again.
        service.resets().follow_up(service, &route.name);
    }
}

async fn answer_query(service: &Service, route: &Route, slot: &Slot, outcome: Result<Bytes, Error>) {
    let rest = slot.take_reply().and_then(|reply| service.answer(reply, outcome, &route.name));
    if let Some(rest) = rest {
        rest.await;
    }
}

pub(crate) async fn run_delete(service: &Service, route: &Route, done: Waiter) {
    let term = route.key.as_deref().and_then(|key| service.ownership().term(key));
    let outcome = match term {
        Some(term) => {
            service.groups().forget(service, route, term);
            let deleted = publish(service, route, term, "delete", Bytes::new()).await;
            // Gateways do not pass a delete on to those who asked with a query: each must hear it as its answer.
            if deleted.is_ok() && service.groups().has_queries(route, term) {
                refresh::ask_queries(service, route, term).await
            } else {
                deleted
            }
        }
        None => Err(TermEnded),
    };
    done.tell(outcome.map_err(|TermEnded| Error::internal("the resource has another owner by now")));
}

/// Refreshes a resource in the turn that its group has given.
pub(crate) async fn run_refresh(service: &Service, route: &Route) {
    if let Some(rest) = refresh::serve(service, route.clone()) {
        rest.await;
    }
}

fn lasts(service: &Service, route: &Route, term: Term) -> bool {
    route.key.as_deref().is_some_and(|key| service.ownership().lasts(key, term))
}

/// Publishes one change, if the resource is still owned in this term.
async fn publish(
    service: &Service,
    route: &Route,
    term: Term,
    change: &'static str,
    payload: Bytes,
) -> Result<(), TermEnded> {
    if let Some(wait) = service.pace().reserve() {
        tokio::time::sleep(wait).await;
    }
    if let Some(rest) = publish_now(service, route, term, change, payload)? {
        rest.await;
    }
    Ok(())
}

/// Like [`publish`], whatever the pace; gives back what must be waited for.
fn publish_now(
    service: &Service,
    route: &Route,
    term: Term,
    change: &'static str,
    payload: Bytes,
) -> Result<Option<Rest>, TermEnded> {
    if !lasts(service, route, term) {
        return Err(TermEnded);
    }
    count(&service.statistics().changes_published);
    tracing::trace!(res.resource = %route.name, res.change = change, "publishes a change");
    let subject = ["event.", &*route.name, ".", change].concat();
    Ok(service.send_now(subject.into(), payload))
}
