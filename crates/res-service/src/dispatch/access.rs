//! Who may do what: a gateway asks for every client and resource.

use std::sync::Arc;

use async_nats::{Message, Subject};
use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::handling::{Begun, Rest, begin, guarded, keeping};
use crate::in_flight::Slot;
use crate::reply::Grant;
use crate::request::{Access, Target};
use crate::resource::{AccessRule, Definition};
use crate::service::Service;

use super::{go_on, go_through, target};

#[inline(never)]
pub(super) fn access(service: &Service, message: Message, reply: Subject, received: Instant) -> Option<Rest> {
    let end = message.subject.as_str().len();
    let (definition, target, payload) = match target(service, message, "access.".len(), end, &reply) {
        Ok(found) => found,
        Err(rest) => return rest,
    };
    match &definition.access {
        AccessRule::Elsewhere => return None,
        AccessRule::Default => {
            return service.refuse(reply, &Error::ACCESS_DENIED, target.name());
        }
        AccessRule::Handler(_) => {}
    }
    let slot = match service.accesses().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            return service.refuse_busy(reply);
        }
    };
    match Arc::clone(service.access_turns()).try_acquire_owned() {
        Ok(turn) => decide(service, definition, target, payload, (slot, turn)),
        // A gateway takes any error for a denial, which ends a subscription: so as many again wait for their turn, and the
        // gateway is told meanwhile, as of all that takes long.
        Err(_) => {
            let (service, definition) = (service.clone(), Arc::clone(definition));
            go_on(Some(decide_in_turn(service, definition, target, payload, slot).boxed()))
        }
    }
}

/// Its place among the requests in work, and the permission to be worked on.
type Entered = (Slot, OwnedSemaphorePermit);

/// Decides when others before it have been decided.
async fn decide_in_turn(
    service: Service,
    definition: Arc<Definition>,
    target: Target,
    payload: Bytes,
    slot: Slot,
) {
    let turn = Arc::clone(service.access_turns()).acquire_owned();
    // All before it have been decided by then, or are dropped, unless the connection takes no answers.
    let rest = match timeout(service.limits().handler_time_max * 2, turn).await {
        Ok(Ok(turn)) => decide(&service, &definition, target, payload, (slot, turn)),
        _ => slot.take_reply().and_then(|reply| service.refuse_busy(reply)),
    };
    go_through(rest).await;
}

/// Asks the rule, and sees to it that its answer is sent.
fn decide(
    service: &Service,
    definition: &Definition,
    mut target: Target,
    payload: Bytes,
    (slot, turn): Entered,
) -> Option<Rest> {
    let AccessRule::Handler(handler) = &definition.access else { return None };
    target.slot = Some(slot.key());
    let name: Box<str> = target.name().into();
    let mut is_http = false;
    let begun = match Access::parse(target, payload) {
        Ok(request) => {
            is_http = request.is_http();
            let span = tracing::debug_span!(
                "request",
                res.kind = "access",
                res.resource = &*name,
                res.cid = request.cid()
            );
            begin(service, span, || handler(request))
        }
        Err(error) => Begun::Done(Err(error)),
    };
    let answer = move |service: &Service, outcome: Result<Grant, Error>| {
        let outcome = outcome.and_then(|grant| grant.encode(is_http));
        let rest = service.answer(slot.take_reply()?, outcome, &name)?;
        Some(keeping(rest, (slot, turn)))
    };
    let rest: Option<Rest> = match begun {
        Begun::Done(outcome) => answer(service, outcome),
        Begun::Waiting(handled) => {
            let service = service.clone();
            let wait = async move {
                let outcome = guarded(&service, service.limits().handler_time_max, handled).await;
                if let Some(rest) = answer(&service, outcome) {
                    rest.await;
                }
            };
            Some(wait.boxed())
        }
    };
    go_on(rest)
}
