//! Serving one get. Everything here that can be done without waiting is, and what is left is given back.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use tokio::time::Instant;

use crate::error::Error;
use crate::group::Swapped;
use crate::handling::{Begun, Handled, Rest, guarded, keeping};
use crate::in_flight::Punctuality;
use crate::ownership::{Ready, Term};
use crate::router::{GET_TIME_MAX, IncomingGet, find_owner, route_get, waited_too_long};
use crate::service::Service;
use crate::snapshot::Snapshot;

use super::{announce, begin_read, lasts, publish};

/// Serves a get when its turn has come.
pub(super) fn serve(service: &Service, mut get: IncomingGet) -> Option<Rest> {
    if let Some(ready) = get.begun.take() {
        return read(service, get, Some(ready));
    }
    let now = if get.has_waited { Instant::now() } else { get.received };
    if get.has_waited
        && (get.slot.take_turn(now) != Punctuality::InTime || now >= get.received + GET_TIME_MAX)
    {
        service.resets().follow_up(service, &get.route.name);
        return answer(service, get, Err(waited_too_long()));
    }
    let ready = match &get.route.key {
        None => None,
        Some(key) => match service.ownership().ready_term(key, now) {
            Some(ready) => Some(ready),
            None => {
                tokio::spawn(find_owner(service.clone(), get));
                return None;
            }
        },
    };
    if let Some(ready) = ready {
        let (remembered_max, statistics) = (service.limits().remembered_max, service.statistics());
        let evicted = service.groups().begin_get(remembered_max, statistics, &get.route, ready);
        if !evicted.is_empty() {
            service.resets().once(evicted);
        }
    }
    read(service, get, ready)
}

/// Asks the handler and goes on with what it says.
fn read(service: &Service, mut get: IncomingGet, ready: Option<Ready>) -> Option<Rest> {
    let headers = get.headers.take();
    let asked = get.subject.take().map(|subject| (subject, headers));
    let slot = Some(get.slot.key());
    match begin_read(service, &get.route, get.query.clone(), asked, slot) {
        Begun::Done(outcome) => conclude(service, get, ready, outcome),
        Begun::Waiting(handled) => Some(wait(service.clone(), get, ready, handled)),
    }
}

/// What is left when the handler has to wait.
#[inline(never)]
fn wait(service: Service, get: IncomingGet, ready: Option<Ready>, handled: Handled<Snapshot>) -> Rest {
    let wait = async move {
        let time_left = GET_TIME_MAX.saturating_sub(get.received.elapsed());
        let time_max = time_left.min(service.limits().handler_time_max);
        let outcome = guarded(&service, time_max, handled).await;
        if let Some(rest) = conclude(&service, get, ready, outcome) {
            rest.await;
        }
    };
    wait.boxed()
}

fn conclude(
    service: &Service,
    get: IncomingGet,
    ready: Option<Ready>,
    outcome: Result<Snapshot, Error>,
) -> Option<Rest> {
    let (Some(ready), Some(key)) = (ready, get.route.key.as_deref()) else {
        return answer(service, get, outcome.and_then(|snapshot| snapshot.reply()));
    };
    if !service.ownership().still_lasts(key, &ready) {
        route_get(service, get);
        return None;
    }
    let term = ready.term;
    let snapshot = match outcome {
        Ok(snapshot) => snapshot,
        Err(error) => return Some(fail(service.clone(), get, term, error)),
    };
    match service.groups().swap(&get.route, term, &snapshot) {
        Swapped::Same(same) => {
            service.resets().succeeded(&get.route.name);
            answer(service, get, Ok(same))
        }
        Swapped::First => {
            service.resets().succeeded(&get.route.name);
            answer(service, get, snapshot.reply())
        }
        Swapped::Earlier(earlier) => Some(tell_and_answer(service.clone(), get, term, earlier, snapshot)),
        Swapped::Unknown => Some(answer_and_reset(service.clone(), get, snapshot)),
    }
}

/// It was given up while it was being read: this answer is remembered by nobody, so it must be asked for again.
#[cold]
fn answer_and_reset(service: Service, get: IncomingGet, snapshot: Snapshot) -> Rest {
    service.resets().succeeded(&get.route.name);
    let name = Arc::clone(&get.route.name);
    let answer_and_reset = async move {
        if let Some(rest) = answer(&service, get, snapshot.reply()) {
            rest.await;
        }
        service.resets().once([name]);
    };
    answer_and_reset.boxed()
}

/// Tells everybody what changed since the last time, and then answers: so the answer is never ahead of the changes.
#[inline(never)]
fn tell_and_answer(
    service: Service,
    get: IncomingGet,
    term: Term,
    earlier: Snapshot,
    snapshot: Snapshot,
) -> Rest {
    let tell_and_answer = async move {
        let told = announce(&service, &get.route, term, &earlier, &snapshot).await;
        if told.is_err() || !lasts(&service, &get.route, term) {
            return route_get(&service, get);
        }
        service.resets().succeeded(&get.route.name);
        if let Some(rest) = answer(&service, get, snapshot.reply()) {
            rest.await;
        }
    };
    tell_and_answer.boxed()
}

#[inline(never)]
fn fail(service: Service, get: IncomingGet, term: Term, error: Error) -> Rest {
    let fail = async move {
        let route = get.route.clone();
        if error.is_not_found() && get.query.is_none() && service.groups().forget(&service, &route, term) {
            // Somebody has its state: for them it ends here.
            publish(&service, &route, term, "delete", Bytes::new()).await.ok();
        } else {
            service.groups().forget_if_empty(&service, &route, term);
        }
        let may_pass = error.may_pass();
        if let Some(rest) = answer(&service, get, Err(error)) {
            rest.await;
        }
        if may_pass {
            service.resets().follow_up(&service, &route.name);
        }
    };
    fail.boxed()
}

fn answer(service: &Service, get: IncomingGet, outcome: Result<Bytes, Error>) -> Option<Rest> {
    let rest = service.answer(get.slot.take_reply()?, outcome, &get.route.name)?;
    Some(keeping(rest, get.slot))
}
