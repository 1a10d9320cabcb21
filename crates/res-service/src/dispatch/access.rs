//! Who may do what: a gateway asks for every client and resource.

use async_nats::{Message, Subject};
use futures::FutureExt;
use tokio::time::Instant;

use crate::error::Error;
use crate::handling::{Begun, Rest, begin, guarded, keeping};
use crate::reply::Grant;
use crate::request::Access;
use crate::resource::AccessRule;
use crate::service::Service;

use super::{go_on, target};

#[inline(never)]
pub(super) fn access(service: &Service, message: Message, reply: Subject, received: Instant) -> Option<Rest> {
    let end = message.subject.as_str().len();
    let (definition, mut target, payload) = match target(service, message, "access.".len(), end, &reply) {
        Ok(found) => found,
        Err(rest) => return rest,
    };
    let handler = match &definition.access {
        AccessRule::Elsewhere => return None,
        AccessRule::Default => {
            return service.refuse(reply, &Error::ACCESS_DENIED, target.name());
        }
        AccessRule::Handler(handler) => handler,
    };
    let slot = match service.accesses().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            return service.refuse_busy(reply);
        }
    };
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
        Some(keeping(rest, slot))
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
