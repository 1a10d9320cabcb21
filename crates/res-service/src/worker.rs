//! The work of a group: one piece after another, everything published in the order in which it was read.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Subject;
use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::difference::{Step, steps};
use crate::error::Error;
use crate::group::{Job, Route, Swapped};
use crate::in_flight::Slot;
use crate::jitter;
use crate::ownership::Term;
use crate::request::{Get, Target};
use crate::router::{GET_TIME_MAX, IncomingGet, route_get, subject};
use crate::service::Service;
use crate::snapshot::Snapshot;
use crate::statistics::count;

/// A collection that changed in more steps than this is announced by one reset of it.
const STEPS_MAX: usize = 256;
/// Tries of a failed refresh before the gateways are told to ask by themselves.
const REFRESH_TRIES_MAX: u32 = 5;

/// The term ended while something was being published.
struct TermEnded;

/// Does what a group has to do until nothing is left.
pub(crate) async fn work(service: Service, group: Arc<str>) {
    while let Some(job) = service.groups().next(&group) {
        let done = AssertUnwindSafe(async {
            match job {
                Job::Get(get) => run_get(&service, get).await,
                Job::Refresh(route) => run_refresh(&service, &route).await,
                Job::Query { route, query, reply, slot } => {
                    run_query(&service, &route, query, reply, slot).await
                }
                Job::Delete { route, done } => run_delete(&service, &route, done).await,
            }
        });
        // A group must go on whatever happens: what is queued behind would wait for ever.
        if done.catch_unwind().await.is_err() {
            count(&service.statistics().handler_panics);
            tracing::error!(res.group = %group, "serving a resource panicked");
        }
    }
}

/// Runs a handler to its end, its panic, or its time limit.
pub(crate) async fn guarded<A>(
    service: &Service,
    time_max: Duration,
    handler: impl Future<Output = Result<A, Error>>,
) -> Result<A, Error> {
    match tokio::time::timeout(time_max, AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => {
            count(&service.statistics().handler_panics);
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::internal(format!("the handler panicked: {text}")))
        }
        Err(_) => {
            count(&service.statistics().handler_timeouts);
            Err(Error::internal(format!("the handler took longer than {time_max:?} and was dropped")))
        }
    }
}

/// Asks the get handler for the state of now.
async fn read(
    service: &Service,
    route: &Route,
    query: Option<Box<str>>,
    request: Option<&mut IncomingGet>,
    time_max: Duration,
) -> Result<Snapshot, Error> {
    let Some(handler) = route.definition.get.clone() else { return Err(Error::NOT_FOUND) };
    let (subject, headers) = match request {
        Some(get) => (get.subject.clone(), get.headers.take().map(Arc::new)),
        None => (Subject::from(format!("get.{}", route.name)), None),
    };
    let name_start = "get.".len();
    let name_end = subject.as_str().len();
    let definition = Arc::clone(&route.definition);
    let target = Target { service: service.clone(), definition, subject, name_start, name_end, headers };
    let span = tracing::debug_span!("get", res.resource = %route.name);
    guarded(service, time_max, async move { handler(Get { target, query }).await }.instrument(span)).await
}

async fn run_get(service: &Service, mut get: IncomingGet) {
    let route = get.route.clone();
    let term = match &route.key {
        None => None,
        Some(key) => match service.ownership().term(key) {
            Some(term) => Some(term),
            None => return route_get(service, get),
        },
    };
    let time_left = GET_TIME_MAX.saturating_sub(get.received.elapsed());
    if time_left.is_zero() {
        service.resets().follow_up(service, &route.name);
        let error = Error::internal("the get waited too long for those before it");
        return service.answer_error(get.reply, &error, &route.name).await;
    }
    if let Some(term) = term {
        let evicted = service.groups().begin_get(service, &route, term);
        if !evicted.is_empty() {
            let names: Vec<&str> = evicted.iter().map(AsRef::as_ref).collect();
            service.publish_reset(&names, &[]).await;
        }
    }
    let query = get.query.clone();
    let outcome =
        read(service, &route, query, Some(&mut get), time_left.min(service.limits().handler_time_max)).await;
    match (outcome, term) {
        (Ok(snapshot), None) => answer_get(service, &get, &snapshot).await,
        (Err(error), None) => service.answer_error(get.reply, &error, &route.name).await,
        (_, Some(term)) if !lasts(service, &route, term) => route_get(service, get),
        (Ok(snapshot), Some(term)) => {
            let told = tell_and_answer(service, &route, term, &get, &snapshot).await;
            if told.is_err() {
                route_get(service, get);
            }
        }
        (Err(error), Some(term)) => fail_get(service, &route, term, get, &error).await,
    }
}

/// Tells everybody what changed since the last time, and then answers: so the answer is never ahead of the changes.
async fn tell_and_answer(
    service: &Service,
    route: &Route,
    term: Term,
    get: &IncomingGet,
    snapshot: &Snapshot,
) -> Result<(), TermEnded> {
    let swapped = service.groups().swap(route, term, snapshot);
    if let Swapped::Earlier(earlier) = &swapped {
        announce(service, route, term, earlier, snapshot).await?;
    }
    if !lasts(service, route, term) {
        return Err(TermEnded);
    }
    service.resets().succeeded(&route.name);
    answer_get(service, get, snapshot).await;
    if matches!(swapped, Swapped::Unknown) {
        // Given up while it was being read: this answer is remembered by nobody, so it must be asked for again.
        service.publish_reset(&[&route.name], &[]).await;
    }
    Ok(())
}

async fn answer_get(service: &Service, get: &IncomingGet, snapshot: &Snapshot) {
    match snapshot.get_reply() {
        Ok(reply) => service.answer(get.reply.clone(), reply, &get.route.name).await,
        Err(error) => service.answer_error(get.reply.clone(), &error, &get.route.name).await,
    }
}

async fn fail_get(service: &Service, route: &Route, term: Term, get: IncomingGet, error: &Error) {
    if error.is_not_found() && get.query.is_none() && service.groups().forget(service, route, term) {
        // Somebody has its state: for them it ends here.
        publish(service, route, term, "delete", Bytes::new()).await.ok();
    } else {
        service.groups().forget_if_empty(service, route, term);
    }
    service.answer_error(get.reply, error, &route.name).await;
    if error.is_internal() {
        service.resets().follow_up(service, &route.name);
    }
}

async fn run_refresh(service: &Service, route: &Route) {
    let Some(started) = service.groups().begin_refresh(route) else { return };
    let term = started.term;
    if !lasts(service, route, term) {
        return;
    }
    let mut outcome = Ok(());
    if started.has_value {
        outcome = refresh_value(service, route, term).await;
    }
    if started.queries && outcome.is_ok() {
        let inbox = query_subject(service, &route.name);
        let payload = serde_json::json!({ "subject": inbox }).to_string();
        publish(service, route, term, "query", payload.into()).await.ok();
        service.groups().published(route, term);
    }
    for waiter in started.waiters {
        let _ = waiter.send(outcome.clone());
    }
}

/// Where the gateway asks for the state of each of its queries after a query change. It belongs to this replica and
/// lives as long as it does; of a replica that is gone, the successor's resets take its place.
pub(crate) fn query_subject(service: &Service, name: &str) -> String {
    format!("{}.{name}", subject("query", service.name(), service.replica()))
}

async fn refresh_value(service: &Service, route: &Route, term: Term) -> Result<(), Error> {
    let time_max = GET_TIME_MAX.min(service.limits().handler_time_max);
    let outcome = read(service, route, None, None, time_max).await;
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
    let mut messages: Vec<(&'static str, Bytes)> = Vec::new();
    let mut by_reset = false;
    match (earlier, later) {
        (Snapshot::Model(earlier), Snapshot::Model(later)) => {
            messages.extend(later.changes_from(earlier).map(|change| ("change", change)));
        }
        (Snapshot::Collection(earlier), Snapshot::Collection(later)) => {
            let items = later.items();
            match steps(&earlier.items(), &items, STEPS_MAX) {
                None => by_reset = true,
                Some(steps) => messages.extend(steps.into_iter().map(|step| match step {
                    Step::Remove(at) => ("remove", format!("{{\"idx\":{at}}}").into()),
                    Step::Add { at, from } => {
                        let at = format!(",\"idx\":{at}}}");
                        ("add", [b"{\"value\":", items[from], at.as_bytes()].concat().into())
                    }
                })),
            }
        }
        _ => {
            tracing::error!(res.resource = %route.name, "a resource was a model and is a collection now (or the reverse): gateways keep the old state")
        }
    }
    by_reset |= messages.iter().any(|(_, payload)| payload.len() > service.client().max_payload());
    if by_reset {
        service.publish_reset(&[&route.name], &[]).await;
        return Ok(());
    }
    for (change, payload) in messages {
        publish(service, route, term, change, payload).await?;
        service.groups().published(route, term);
    }
    Ok(())
}

async fn run_query(service: &Service, route: &Route, query: Box<str>, reply: Subject, slot: Slot) {
    let owned =
        |service: &Service| route.key.as_deref().is_none_or(|key| service.ownership().term(key).is_some());
    let error = if owned(service) {
        match read(service, route, Some(query), None, service.limits().handler_time_max.min(GET_TIME_MAX))
            .await
        {
            Ok(snapshot) if owned(service) => {
                return service.answer(reply, snapshot.query_reply(), &route.name).await;
            }
            Ok(_) => Error::internal("the resource got another owner while it was being read"),
            Err(error) => error,
        }
    } else {
        Error::internal("the resource has another owner by now, which makes the gateways ask for it again")
    };
    service.answer_error(reply, &error, &route.name).await;
    drop(slot);
}

async fn run_delete(service: &Service, route: &Route, done: oneshot::Sender<Result<(), Error>>) {
    let term = route.key.as_deref().and_then(|key| service.ownership().term(key));
    let outcome = match term {
        Some(term) => {
            service.groups().forget(service, route, term);
            publish(service, route, term, "delete", Bytes::new()).await
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
