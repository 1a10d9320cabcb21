//! The work of a group: one piece after another, everything published in the order in which it was read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;
use crate::group::{Job, Route, Swapped};
use crate::handling::{Begun, Rest, guarded, now_or_later};
use crate::in_flight::Slot;
use crate::jitter;
use crate::ownership::Term;
use crate::router::{GET_TIME_MAX, subject};
use crate::service::Service;
use crate::snapshot::Snapshot;
use crate::statistics::count;
use crate::trace::within;
use crate::turn;

mod get;

/// Pieces of work that who brings the first does before others are let in.
const JOBS_AT_ONCE: usize = 64;
/// Tries of a failed refresh before the gateways are told to ask by themselves.
const REFRESH_TRIES_MAX: u32 = 5;

/// The term ended while something was being published.
struct TermEnded;

/// Does a piece of work of a group that was idle, and everything that comes meanwhile; what must be waited for goes on as
/// a task.
pub(crate) fn begin_work(service: &Service, group: &Arc<str>, job: Job) {
    let mut rest = begin_job(service, group, job);
    for _ in 0..JOBS_AT_ONCE {
        if rest.is_some() {
            return now_or_later(work(service.clone(), Arc::clone(group), rest));
        }
        let Some(job) = service.groups().next(group) else { return };
        rest = begin_job(service, group, job);
    }
    service.spawn(work(service.clone(), Arc::clone(group), rest));
}

/// Does a piece of work of its own for whoever waits for it. What others have asked for does not run in the caller's
/// future, which may carry things that are none of their business.
pub(crate) fn begin_own(service: &Service, group: &Arc<str>, job: Job) {
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
        Job::Call(begin) => turn::take(group, || begin(service)),
        Job::Refresh(route) => {
            let service = service.clone();
            Some(async move { run_refresh(&service, &route).await }.boxed())
        }
        Job::Query { route, query, reply, slot } => {
            let service = service.clone();
            Some(async move { run_query(&service, &route, query, reply, slot).await }.boxed())
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

fn note_panic(service: &Service, group: &Arc<str>) {
    count(&service.statistics().handler_panics);
    tracing::error!(res.group = %group, "serving a resource panicked");
}

/// Asks the get handler for the state of now, without a request of a gateway.
async fn read(
    service: &Service,
    route: &Route,
    query: Option<Box<str>>,
    time_max: Duration,
) -> Result<Snapshot, Error> {
    let subject = Subject::from(format!("get.{}", route.name));
    match get::begin_read(service, route, query, subject, None) {
        Begun::Done(outcome) => outcome,
        Begun::Waiting(handled) => guarded(service, time_max, handled).await,
    }
}

pub(crate) async fn run_refresh(service: &Service, route: &Route) {
    let Some(started) = service.groups().begin_refresh(route) else { return };
    let term = started.term;
    if !lasts(service, route, term) {
        return;
    }
    let tell = async {
        if started.has_value {
            refresh_value(service, route, term).await?;
        }
        if started.queries {
            ask_queries(service, route, term).await.ok();
        }
        Ok(())
    };
    let outcome: Result<(), Error> = within(started.trace, tell).await;
    for waiter in started.waiters {
        let _ = waiter.send(outcome.clone());
    }
}

/// Makes the gateways ask for the state of each of their queries.
async fn ask_queries(service: &Service, route: &Route, term: Term) -> Result<(), TermEnded> {
    let inbox = query_subject(service, &route.name);
    let payload = serde_json::json!({ "subject": inbox }).to_string();
    publish(service, route, term, "query", payload.into()).await?;
    service.groups().published(route, term);
    Ok(())
}

/// Where the gateway asks for the state of each of its queries after a query change. It belongs to this replica and
/// lives as long as it does; of a replica that is gone, the successor's resets take its place.
pub(crate) fn query_subject(service: &Service, name: &str) -> String {
    format!("{}.{name}", subject("query", service.name(), service.replica()))
}

async fn refresh_value(service: &Service, route: &Route, term: Term) -> Result<(), Error> {
    let time_max = GET_TIME_MAX.min(service.limits().handler_time_max);
    let outcome = read(service, route, None, time_max).await;
    if !lasts(service, route, term) {
        return Ok(());
    }
    match outcome {
        Ok(snapshot) => {
            if let Swapped::Earlier(earlier) = service.groups().swap(route, term, &snapshot) {
                announce(service, route, term, &earlier, &snapshot).await.ok();
            }
            service.groups().refreshed(route, term);
            Ok(())
        }
        Err(error) if error.is_not_found() => {
            service.groups().forget(service, route, term);
            publish(service, route, term, "delete", Bytes::new()).await.ok();
            Ok(())
        }
        Err(error) => {
            count(&service.statistics().refresh_failures);
            let wait = |failures: u32| {
                (failures + 1 < REFRESH_TRIES_MAX)
                    .then(|| jitter::spread(Duration::from_millis(100) * 3_u32.pow(failures)))
            };
            if !service.groups().retry_refresh(service, route, term, wait) {
                service.groups().forget(service, route, term);
                tracing::error!(
                    res.resource = %route.name, error.cause = error.cause_chain(), tries = REFRESH_TRIES_MAX,
                    "a changed resource cannot be read; gateways are made to ask for it: {error}"
                );
                service.publish_reset(&[&route.name], &[]).await;
            }
            Err(error)
        }
    }
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

async fn run_query(service: &Service, route: &Route, query: Box<str>, reply: Subject, slot: Slot) {
    let owned =
        |service: &Service| route.key.as_deref().is_none_or(|key| service.ownership().term(key).is_some());
    let error = if owned(service) {
        let time_max = service.limits().handler_time_max.min(GET_TIME_MAX);
        match read(service, route, Some(query), time_max).await {
            Ok(snapshot) if owned(service) => {
                service.resets().succeeded(&route.name);
                if let Some(rest) = service.answer(&reply, Ok(snapshot.query_reply()), &route.name) {
                    rest.await;
                }
                return;
            }
            Ok(_) => Error::internal("the resource got another owner while it was being read"),
            Err(error) => error,
        }
    } else {
        Error::internal("the resource has another owner by now, which makes the gateways ask for it again")
    };
    let is_internal = error.is_internal();
    if let Some(rest) = service.answer(&reply, Err(error), &route.name) {
        rest.await;
    }
    if is_internal {
        // A gateway passes this error over and keeps what it has, so it must be made to ask again.
        service.resets().follow_up(service, &route.name);
    }
    drop(slot);
}

pub(crate) async fn run_delete(service: &Service, route: &Route, done: oneshot::Sender<Result<(), Error>>) {
    let term = route.key.as_deref().and_then(|key| service.ownership().term(key));
    let outcome = match term {
        Some(term) => {
            service.groups().forget(service, route, term);
            let deleted = publish(service, route, term, "delete", Bytes::new()).await;
            // Gateways do not pass a delete on to those who asked with a query: each must hear it as its answer.
            if deleted.is_ok() && service.groups().has_queries(route, term) {
                ask_queries(service, route, term).await
            } else {
                deleted
            }
        }
        None => Err(TermEnded),
    };
    let _ = done.send(outcome.map_err(|TermEnded| Error::internal("the resource has another owner by now")));
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
    if let Some(wait) = service.pace().reserve(Instant::now()) {
        tokio::time::sleep(wait).await;
    }
    if !lasts(service, route, term) {
        return Err(TermEnded);
    }
    count(&service.statistics().changes_published);
    tracing::trace!(res.resource = %route.name, res.change = change, "publishes a change");
    service.send(format!("event.{}.{change}", route.name), payload).await;
    Ok(())
}
