//! Getting a get to the one replica that may answer it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

use crate::error::Error;
use crate::group::{Asked, Job, Route};
use crate::in_flight::Slot;
use crate::jitter;
use crate::ownership::{Place, Ready};
use crate::service::Service;
use crate::statistics::count;
use crate::trace::TraceContext;

/// A get is answered within this time, if only by an error. The pre-response asks the gateway for 10 s.
pub(crate) const GET_TIME_MAX: Duration = Duration::from_secs(9);
/// How long the owner has to acknowledge what is forwarded to it.
const ACKNOWLEDGE_TIME_MAX: Duration = Duration::from_millis(250);
/// Pause before the owner is looked for again, if nothing is heard of it before.
const SEARCH_PAUSE: Duration = Duration::from_millis(120);

/// The owner has taken what was sent to it.
pub(crate) const TAKEN: &[u8] = b"taken";
/// The receiver is not the owner.
pub(crate) const REFUSED: &[u8] = b"refused";
/// The gateway's reply subject. It is a header and never the reply of the NATS message, because the server would send
/// "no responders" there, which a gateway reads as "not found".
pub(crate) const REPLY_HEADER: &str = "Res-Reply";
/// The subject of the gateway's request.
pub(crate) const SUBJECT_HEADER: &str = "Res-Subject";

/// The same each time that one replica hands the same get on: an owner that is slow to acknowledge hears of it again.
pub(crate) const ID_HEADER: &str = "Res-Get";
/// So many gets handed on are remembered, at least.
pub(crate) const HANDED_ON_MAX: usize = 65_536;

/// A get on its way.
pub(crate) struct IncomingGet {
    pub(crate) route: Route,
    /// Of the gateway's request, until the handler has it.
    pub(crate) subject: Option<Subject>,
    pub(crate) payload: Bytes,
    pub(crate) headers: Option<Arc<HeaderMap>>,
    pub(crate) query: Option<Box<str>>,
    pub(crate) received: Instant,
    /// Whether it had to wait: for others of its group, or for an owner. Then what time it was received is not what time it is.
    pub(crate) has_waited: bool,
    /// The term in which its turn has begun, if it has.
    pub(crate) begun: Option<Ready>,
    /// Its place, which knows where to answer.
    pub(crate) slot: Slot,
}

/// Why a get fails whose turn does not come.
pub(crate) fn waited_too_long() -> Error {
    Error::internal("the get waited too long for those before it")
}

/// Where work for one replica is sent.
pub(crate) fn subject(what: &str, service: &str, replica: &str) -> String {
    format!("res.{what}.{service}.{replica}")
}

/// Where work is sent for the owner, whoever it is: all replicas hear it, and only the owner answers. That finds an
/// owner even when the lease cannot be asked.
pub(crate) fn subject_of_all(what: &str, service: &str) -> String {
    format!("res.{what}.{service}")
}

/// Serves a get in its turn, or finds the owner if that is not here.
pub(crate) fn route_get(service: &Service, get: IncomingGet) {
    if let Some(key) = &get.route.key
        && !matches!(service.ownership().locate(key), Place::Here)
    {
        // It need not wait for what is done here.
        tokio::spawn(find_owner(service.clone(), get));
        return;
    }
    let group = Arc::clone(&get.route.group);
    service.groups().push_and_begin(service, &group, Job::Get(get));
}

/// Finds the owner of a resource and has it answer the get.
pub(crate) async fn find_owner(service: Service, get: IncomingGet) {
    let Some(key) = get.route.key.clone() else { return };
    let table = service.ownership().version();
    let mut existence_known = false;
    let id = format!("{:016x}{:016x}", jitter::random(), jitter::random());
    loop {
        let seen = table.get();
        match service.ownership().locate(&key) {
            Place::Here => return route_get(&service, IncomingGet { has_waited: true, ..get }),
            Place::There(replica) => {
                if forward(&service, &get, &id, subject("forward", service.name(), &replica)).await {
                    return;
                }
                count(&service.statistics().forwards_refused);
                service.ownership().doubt(&key);
            }
            Place::Nobody if !existence_known && !service.ownership().is_wanted(&key) => {
                existence_known = true;
                match service.key_exists(&key).await {
                    Ok(true) => {}
                    Ok(false) => {
                        return refuse(&service, &get, &Error::NOT_FOUND).await;
                    }
                    Err(error) => {
                        service.resets().follow_up(&service, &get.route.name);
                        return refuse(&service, &get, &error).await;
                    }
                }
            }
            Place::Nobody => {
                service.ownership().round_wanted.notify_one();
                if service.has_others()
                    && forward(&service, &get, &id, subject_of_all("forward", service.name())).await
                {
                    return;
                }
            }
            Place::Preparing => {}
        }
        let now = Instant::now();
        if now >= get.received + GET_TIME_MAX {
            count(&service.statistics().ownerless_gets);
            service.resets().follow_up(&service, &get.route.name);
            let error = Error::internal(format!("no replica owns {key:?} and answers"));
            return refuse(&service, &get, &error).await;
        }
        if let Some(pre_response) = get.slot.pre_respond(now) {
            service.pre_respond(pre_response).await;
        }
        let _ = tokio::time::timeout(jitter::spread(SEARCH_PAUSE), table.wait_for(|version| version != seen))
            .await;
    }
}

async fn refuse(service: &Service, get: &IncomingGet, error: &Error) {
    if let Some(reply) = get.slot.take_reply() {
        service.send(reply, service.error_payload(error, &get.route.name)).await;
    }
}

/// Hands a get to another replica; true when that has taken it.
async fn forward(service: &Service, get: &IncomingGet, id: &str, to: String) -> bool {
    let Some(reply) = get.slot.reply() else { return true };
    let mut headers = get.headers.as_deref().cloned().unwrap_or_default();
    headers.insert(REPLY_HEADER, reply.as_str());
    headers.insert(SUBJECT_HEADER, format!("get.{}", get.route.name));
    headers.insert(ID_HEADER, id);
    count(&service.statistics().forwards_sent);
    acknowledged(service, to, Some(headers), get.payload.clone()).await
}

async fn acknowledged(service: &Service, to: String, headers: Option<HeaderMap>, payload: Bytes) -> bool {
    match service.connection().request(to, headers, payload, ACKNOWLEDGE_TIME_MAX).await {
        Ok(message) => message.payload.as_ref() == TAKEN,
        Err(error) => {
            tracing::debug!("another replica did not acknowledge: {error}");
            false
        }
    }
}

/// Tells the owner, wherever it is, that a resource may have changed. If it cannot be told, gateways are made to ask.
pub(crate) async fn hint(service: Service, route: Route) {
    let Some(key) = route.key.clone() else { return };
    let headers = TraceContext::current().map(|context| context.headers());
    let table = service.ownership().version();
    let deadline = Instant::now() + GET_TIME_MAX;
    while Instant::now() < deadline {
        let seen = table.get();
        let told = |to: String| {
            acknowledged(&service, to, headers.clone(), Bytes::copy_from_slice(route.name.as_bytes()))
        };
        match service.ownership().locate(&key) {
            Place::Here | Place::Preparing => {
                refresh_here(&service, &route);
                return;
            }
            Place::There(replica) => {
                if told(subject("refresh", service.name(), &replica)).await {
                    return;
                }
                count(&service.statistics().forwards_refused);
                service.ownership().doubt(&key);
            }
            Place::Nobody => {
                service.ownership().round_wanted.notify_one();
                if service.has_others() && told(subject_of_all("refresh", service.name())).await {
                    return;
                }
            }
        }
        let _ = tokio::time::timeout(jitter::spread(SEARCH_PAUSE), table.wait_for(|version| version != seen))
            .await;
    }
    tracing::warn!(res.resource = %route.name, "the owner could not be told of a change; gateways are made to ask");
    service.publish_reset(&[&route.name], &[]).await;
}

/// Asks for a refresh of a resource owned here; false if it is not.
pub(crate) fn refresh_here(service: &Service, route: &Route) -> bool {
    let Some(key) = route.key.as_deref() else { return false };
    let Some(term) = service.ownership().term(key) else { return false };
    count(&service.statistics().refreshes);
    if service.groups().ask_refresh(service, route, term) == Asked::Conflated {
        count(&service.statistics().refreshes_conflated);
    }
    true
}
