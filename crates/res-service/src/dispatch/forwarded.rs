//! What another replica has sent here, because this one owns the resource or may own it.

use std::sync::Arc;

use async_nats::{Message, Subject};
use bytes::Bytes;
use tokio::time::Instant;

use crate::ownership::Place;
use crate::request::Get;
use crate::router::{
    ID_HEADER, IncomingGet, REFUSED, REPLY_HEADER, SUBJECT_HEADER, TAKEN, refresh_here, route_get,
};
use crate::service::Service;
use crate::statistics::count;
use crate::trace::{TraceContext, within};

use super::go_through;

/// A get that another replica has sent here. The NATS reply is for that replica; the gateway's is in a header.
pub(super) async fn get(service: &Service, mut message: Message, acknowledgement: Subject, refuse: bool) {
    let mut headers = message.headers.take().unwrap_or_default();
    // What is no subject would break the connection where it is published.
    let original = |name: &str| {
        headers.get(name).map(|value| Subject::from(value.as_str().to_owned())).filter(Subject::is_valid)
    };
    let (reply, subject) = (original(REPLY_HEADER), original(SUBJECT_HEADER));
    let id = headers.get(ID_HEADER).and_then(|id| u128::from_str_radix(id.as_str(), 16).ok());
    headers = headers
        .iter()
        .filter(|(name, _)| !matches!(AsRef::<str>::as_ref(name), REPLY_HEADER | SUBJECT_HEADER | ID_HEADER))
        .flat_map(|(name, values)| values.iter().map(move |value| (name.clone(), value.clone())))
        .collect();
    let name = subject.as_ref().and_then(|subject| subject.as_str().strip_prefix("get."));
    let route = name.and_then(|name| service.route(name));
    let (Some(reply), Some(subject), Some(route)) = (reply, subject, route) else {
        return if refuse {
            service.send(acknowledgement, Bytes::from_static(REFUSED)).await
        };
    };
    let place = route.key.as_deref().map(|key| service.ownership().locate(key));
    if service.is_leaving() || !matches!(place, Some(Place::Here | Place::Preparing)) {
        if refuse {
            service.send(acknowledgement, Bytes::from_static(REFUSED)).await;
        } else {
            // Somebody knows no owner: perhaps the key is free by now, and no get of it comes here by itself.
            service.ownership().round_wanted.notify_one();
        }
        return;
    }
    let received = Instant::now();
    // Taken before, and in work, answered, or handed on from here with an id of its own; who sent it has not heard of that.
    // What was answered to another connection may have been lost with it, and is answered once more.
    let connection = u128::from(service.connection().connects());
    let is_new = id.is_none_or(|id| service.handed_on().note(id ^ connection, received));
    if is_new {
        count(&service.statistics().forwards_taken);
    }
    service.send(acknowledgement, Bytes::from_static(TAKEN)).await;
    if !is_new {
        return;
    }
    let slot = match service.gets().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            service.resets().follow_up(service, &route.name);
            return go_through(service.refuse_busy(reply)).await;
        }
    };
    let query = Get::parse_query(&message.payload).unwrap_or_default();
    let get = IncomingGet {
        route,
        subject: Some(subject),
        payload: message.payload,
        headers: (!headers.is_empty()).then(|| Arc::new(headers)),
        query,
        received,
        has_waited: false,
        begun: None,
        slot,
    };
    route_get(service, get);
}

/// A refresh that another replica has sent here.
pub(super) async fn refresh(service: &Service, message: &Message, acknowledgement: Subject, refuse: bool) {
    let name = std::str::from_utf8(&message.payload).unwrap_or_default();
    let route = service.route(name);
    let context = message.headers.as_ref().and_then(TraceContext::of);
    let taken = !service.is_leaving()
        && within(context, async { route.is_some_and(|route| refresh_here(service, &route)) }).await;
    if !taken && !refuse {
        service.ownership().round_wanted.notify_one();
    }
    if taken || refuse {
        service.send(acknowledgement, Bytes::from_static(if taken { TAKEN } else { REFUSED })).await;
    }
}
