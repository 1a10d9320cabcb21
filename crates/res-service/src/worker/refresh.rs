//! Refreshing one resource: it is read again, and what changed is told. Everything here that can be done without waiting
//! is, and what is left is given back.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;

use crate::error::Error;
use crate::group::{Route, Started, Swapped};
use crate::handling::{Begun, Rest, guarded};
use crate::jitter;
use crate::ownership::Term;
use crate::router::{GET_TIME_MAX, subject};
use crate::service::Service;
use crate::snapshot::Snapshot;
use crate::statistics::count;
use crate::turn::Waiter;

use super::{TermEnded, announce, begin_read, lasts, publish, publish_now};

/// Tries of a failed refresh before the gateways are told to ask by themselves.
const TRIES_MAX: u32 = 5;

/// Refreshes a resource when its turn has come.
pub(super) fn serve(service: &Service, route: Route) -> Option<Rest> {
    let mut started = service.groups().begin_refresh(&route)?;
    let Some(trace) = started.trace.take() else { return read(service, route, started) };
    let rest = trace.clone().sync_scope(|| read(service, route, started))?;
    Some(trace.scope(rest).boxed())
}

/// Asks the handler and goes on with what it says.
fn read(service: &Service, route: Route, started: Started) -> Option<Rest> {
    if !started.has_value {
        return conclude(service, route, started, Ok(()));
    }
    match begin_read(service, &route, None, None, None) {
        Begun::Done(outcome) => tell(service, route, started, outcome),
        Begun::Waiting(handled) => {
            let service = service.clone();
            let wait = async move {
                let time_max = GET_TIME_MAX.min(service.limits().handler_time_max);
                let outcome = guarded(&service, time_max, handled).await;
                if let Some(rest) = tell(&service, route, started, outcome) {
                    rest.await;
                }
            };
            Some(wait.boxed())
        }
    }
}

/// Tells what the handler said.
fn tell(service: &Service, route: Route, started: Started, outcome: Result<Snapshot, Error>) -> Option<Rest> {
    let term = started.term;
    let snapshot = match outcome {
        // Whether the term lasts is asked before anything is published.
        Ok(snapshot) => snapshot,
        Err(_) if !lasts(service, &route, term) => return conclude(service, route, started, Ok(())),
        Err(error) => {
            let service = service.clone();
            let fail = async move {
                let outcome = fail(&service, &route, term, error).await;
                if let Some(rest) = conclude(&service, route, started, outcome) {
                    rest.await;
                }
            };
            return Some(fail.boxed());
        }
    };
    let Swapped::Earlier(earlier) = service.groups().swap(&route, term, &snapshot) else {
        service.groups().refreshed(&route, term);
        return conclude(service, route, started, Ok(()));
    };
    let Some(change) = only_change(service, &earlier, &snapshot) else {
        let service = service.clone();
        let tell_all = async move {
            announce(&service, &route, term, &earlier, &snapshot).await.ok();
            service.groups().refreshed(&route, term);
            if let Some(rest) = conclude(&service, route, started, Ok(())) {
                rest.await;
            }
        };
        return Some(tell_all.boxed());
    };
    let Some(rest) = begin_publish(service, &route, term, change) else {
        service.groups().published(&route, term);
        return conclude(service, route, started, Ok(()));
    };
    let service = service.clone();
    let wait = async move {
        rest.await;
        service.groups().published(&route, term);
        if let Some(rest) = conclude(&service, route, started, Ok(())) {
            rest.await;
        }
    };
    Some(wait.boxed())
}

/// The one message that tells a change, if it is one: nearly always.
fn only_change(service: &Service, earlier: &Snapshot, later: &Snapshot) -> Option<Bytes> {
    let (Snapshot::Model(earlier), Snapshot::Model(later)) = (earlier, later) else { return None };
    later.changes_from(earlier).filter(|change| change.len() <= service.connection().max_payload())
}

/// Publishes a change at its pace, if the term lasts; gives back what must be waited for. That a term has ended is no
/// failure here, as the resets that follow tell more than a change.
fn begin_publish(service: &Service, route: &Route, term: Term, change: Bytes) -> Option<Rest> {
    let Some(wait) = service.pace().reserve() else {
        return publish_now(service, route, term, "change", change).ok().flatten();
    };
    let (service, route) = (service.clone(), route.clone());
    let wait_and_publish = async move {
        tokio::time::sleep(wait).await;
        if let Ok(Some(rest)) = publish_now(&service, &route, term, "change", change) {
            rest.await;
        }
    };
    Some(wait_and_publish.boxed())
}

/// What comes after the state itself.
fn conclude(service: &Service, route: Route, started: Started, outcome: Result<(), Error>) -> Option<Rest> {
    if started.queries && outcome.is_ok() {
        let service = service.clone();
        let tell_queries = async move {
            ask_queries(&service, &route, started.term).await.ok();
            answer(started.waiters, &Ok(()));
        };
        return Some(tell_queries.boxed());
    }
    answer(started.waiters, &outcome);
    None
}

fn answer(waiters: Vec<Waiter>, outcome: &Result<(), Error>) {
    for waiter in waiters {
        waiter.tell(outcome.clone());
    }
}

/// Makes the gateways ask for the state of each of their queries.
pub(super) async fn ask_queries(service: &Service, route: &Route, term: Term) -> Result<(), TermEnded> {
    let inbox = query_subject(service, &route.name);
    let payload = serde_json::json!({ "subject": inbox }).to_string();
    publish(service, route, term, "query", payload.into()).await?;
    service.groups().published(route, term);
    Ok(())
}

/// Where the gateway asks for the state of each of its queries after a query change. It belongs to this replica and
/// lives as long as it does; of a replica that is gone, the successor's resets take its place.
fn query_subject(service: &Service, name: &str) -> String {
    format!("{}.{name}", subject("query", service.name(), service.replica()))
}

/// The handler has failed.
async fn fail(service: &Service, route: &Route, term: Term, error: Error) -> Result<(), Error> {
    if error.is_not_found() {
        service.groups().forget(service, route, term);
        publish(service, route, term, "delete", Bytes::new()).await.ok();
        return Ok(());
    }
    count(&service.statistics().refresh_failures);
    let wait = |failures: u32| {
        (failures + 1 < TRIES_MAX).then(|| jitter::spread(Duration::from_millis(100) * 3_u32.pow(failures)))
    };
    if !service.groups().retry_refresh(service, route, term, wait) {
        service.groups().forget(service, route, term);
        tracing::error!(
            res.resource = %route.name, error.cause = error.cause_chain(), tries = TRIES_MAX,
            "a changed resource cannot be read; gateways are made to ask for it: {error}"
        );
        service.publish_reset(&[&route.name], &[]).await;
    }
    Err(error)
}
