//! Calls that are served one after the other.

use std::sync::Arc;

use tokio::time::Instant;

use crate::error::Error;
use crate::group::{Job, Turn};
use crate::handling::{Rest, keeping};
use crate::in_flight::Punctuality;
use crate::reply::Reply;
use crate::request::Call;
use crate::resource::{Definition, Handler};
use crate::service::Service;
use crate::worker::call_at_once;

use super::{Asked, answer, respond};

/// Serves a call when its group's turn comes, which mostly is at once. Gives back what must be waited for if it is refused.
pub(super) fn call(
    service: &Service,
    definition: &Definition,
    handler: &Handler<Call, Reply>,
    request: Call,
    asked: Asked,
) -> Option<Rest> {
    let name = &asked.subject["call.".len()..asked.name_end];
    match service.groups().turn(definition, name, service.limits().calls_waiting_max()) {
        Turn::Now(group) => call_at_once(service, &group, || respond(service, handler, request, asked)),
        Turn::Later(group) => {
            asked.slot.wait_for_turn(Instant::now() + service.limits().turn_time_max(), &name.into());
            let handler = Arc::clone(handler);
            let job = Job::Call(Box::new(move |service| in_turn(service, &handler, request, asked)));
            service.groups().push_and_begin(service, &group, job);
        }
        Turn::Never => return refuse_busy(service, asked),
    }
    None
}

fn refuse_busy(service: &Service, asked: Asked) -> Option<Rest> {
    let rest = service.refuse_busy(asked.slot.take_reply()?)?;
    Some(keeping(rest, asked.slot))
}

/// Serves a call that has waited for its turn.
fn in_turn(service: &Service, handler: &Handler<Call, Reply>, request: Call, asked: Asked) -> Option<Rest> {
    match asked.slot.take_turn(Instant::now()) {
        Punctuality::InTime => {}
        Punctuality::Late => return refuse_busy(service, asked),
        Punctuality::Answered => return None,
    }
    if service.has_stopped() {
        return answer(
            service,
            asked,
            Err(Error::internal("the service stopped before the call's turn came")),
        );
    }
    respond(service, handler, request, asked)
}
