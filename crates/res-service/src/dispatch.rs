//! From a NATS message to the handler it is for, and back.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};

use tokio::time::Instant;

use async_nats::{Message, Subject};
use bytes::Bytes;
use futures::FutureExt;

use crate::connection::Subscription;
use crate::error::{BoxError, Error};
use crate::group::Job;
use crate::handling::{Begun, Handled, Rest, begin, guarded, keeping};
use crate::in_flight::Slot;
use crate::middleware::Request;
use crate::reply::Reply;
use crate::request::{Auth, Call, Get, Target};
use crate::resource::{Definition, Handler};
use crate::router::{IncomingGet, route_get, subject, subject_of_all};
use crate::service::{OpenSubscription, Service};
use crate::statistics::count;
use crate::worker::serve_at_once;

use self::access::access;
use self::last::take_last;
pub(crate) use self::watch::watch;

mod access;
mod forwarded;
mod in_order;
mod last;
mod watch;

/// What comes in on a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Get,
    Call,
    Auth,
    Access,
    /// Gets from other replicas.
    Forward,
    /// Refreshes from other replicas.
    Refresh,
    /// Gets from replicas that do not know the owner: only the owner answers.
    ForwardToAll,
    /// Refreshes from replicas that do not know the owner.
    RefreshToAll,
    Query,
}

/// Subscribes to everything the service answers.
pub(crate) async fn subscribe(service: &Service) -> Result<(), BoxError> {
    let (connection, name, replica) = (service.connection(), service.name(), service.replica());
    // What only this replica may answer comes first, so that it is there when others hear of the replica.
    for (kind, subject) in [
        (Kind::Forward, subject("forward", name, replica)),
        (Kind::Refresh, subject("refresh", name, replica)),
        (Kind::ForwardToAll, subject_of_all("forward", name)),
        (Kind::RefreshToAll, subject_of_all("refresh", name)),
        (Kind::Query, format!("{}.>", subject("query", name, replica))),
    ] {
        let subscription = connection.subscribe(subject).await?;
        service.keep(tokio::spawn(serve(service.clone(), kind, subscription, None)).abort_handle());
    }
    for (kind, subject) in [
        (Kind::Access, format!("access.{name}")),
        (Kind::Access, format!("access.{name}.>")),
        (Kind::Get, format!("get.{name}")),
        (Kind::Get, format!("get.{name}.>")),
        (Kind::Call, format!("call.{name}.>")),
        (Kind::Auth, format!("auth.{name}.>")),
    ] {
        let subscription = connection.queue_subscribe(subject, name.to_owned()).await?;
        service.keep(
            tokio::spawn(serve(service.clone(), kind, subscription, Some(service.open_subscription())))
                .abort_handle(),
        );
    }
    Ok(())
}

/// Why no more messages are taken at once.
enum Pause {
    /// Something must be waited for before the next.
    Wait(Rest),
    /// The service stops.
    Stop,
    /// The subscription has ended.
    End,
}

/// Takes what comes in on one subscription. Nothing here waits for a handler.
async fn serve(service: Service, kind: Kind, mut subscription: Subscription, open: Option<OpenSubscription>) {
    let stops_with_the_service = open.is_some();
    let stop = service.stopping().wait_for(|stopping| stopping && stops_with_the_service);
    tokio::pin!(stop);
    // Who is woken by the stop: it need not be asked again by the same, as it is seen below before it wakes anybody.
    let mut woken: Option<Waker> = None;
    // How many messages this subscription had, and of which connection that is known.
    let (mut taken, connects): (u64, u64) = (0, service.connection().connects());
    // What is there already came together with the first of it, or waited while that was begun.
    let (mut received, mut has_waited) = (Instant::now(), false);
    loop {
        let pause = poll_fn(|context| {
            loop {
                // The stop itself is asked only when nothing waits here, and once.
                if stops_with_the_service && service.is_stopping() {
                    return Poll::Ready(Pause::Stop);
                }
                match subscription.poll_next(context) {
                    Poll::Ready(Some(message)) => {
                        if std::mem::take(&mut has_waited) {
                            received = Instant::now();
                        }
                        taken += 1;
                        if let Some(rest) = take(&service, kind, message, received) {
                            return Poll::Ready(Pause::Wait(rest));
                        }
                    }
                    Poll::Ready(None) => return Poll::Ready(Pause::End),
                    Poll::Pending => {
                        has_waited = true;
                        if woken.as_ref().is_some_and(|woken| woken.will_wake(context.waker())) {
                            return Poll::Pending;
                        }
                        woken = Some(context.waker().clone());
                        return stop.as_mut().poll(context).map(|()| Pause::Stop);
                    }
                }
            }
        });
        match pause.await {
            Pause::Wait(rest) => {
                rest.await;
                has_waited = true;
            }
            Pause::Stop => break,
            Pause::End => {
                // Whatever closed the client: nobody else would say why no requests come any more.
                tracing::error!(requests = ?kind, "the connection to NATS is closed, so no more requests are taken");
                return;
            }
        }
    }
    // After a reconnect the server counts from none again and the client goes on: it would end what the server still sends.
    let counts_alike = service.connection().connects() == connects;
    let ended = counts_alike && take_last(&service, kind, &mut subscription, taken).await;
    if !ended && subscription.drain().await.is_ok() {
        while let Some(message) = subscription.next().await {
            go_through(take(&service, kind, message, Instant::now())).await;
        }
    }
    drop(open);
}

/// Begins with a request, and gives back what must be waited for before the next is taken. The kinds are functions of their
/// own, and so is what is seldom done: a request that comes alone finds its code and its stack cold, and the less it needs
/// of both the sooner it is served.
fn take(service: &Service, kind: Kind, mut message: Message, received: Instant) -> Option<Rest> {
    let Some(reply) = message.reply.take() else {
        tracing::debug!(nats.subject = %message.subject, "a request without a reply subject is passed over");
        return None;
    };
    let statistics = service.statistics();
    match kind {
        Kind::Call => {
            count(&statistics.call_requests);
            call(service, message, reply, received)
        }
        Kind::Get => {
            count(&statistics.get_requests);
            get(service, message, reply, received)
        }
        Kind::Access => {
            count(&statistics.access_requests);
            access(service, message, reply, received)
        }
        Kind::Auth => {
            count(&statistics.auth_requests);
            auth(service, message, reply, received)
        }
        Kind::Forward | Kind::ForwardToAll | Kind::Refresh | Kind::RefreshToAll => {
            Some(forwarded(service, kind, message, reply))
        }
        Kind::Query => {
            count(&statistics.query_requests);
            query(service, &message, reply, received)
        }
    }
}

/// What another replica has sent here.
#[inline(never)]
fn forwarded(service: &Service, kind: Kind, message: Message, reply: Subject) -> Rest {
    let service = service.clone();
    let refuses = matches!(kind, Kind::Forward | Kind::Refresh);
    if matches!(kind, Kind::Forward | Kind::ForwardToAll) {
        return async move { forwarded::get(&service, message, reply, refuses).await }.boxed();
    }
    async move { forwarded::refresh(&service, &message, reply, refuses).await }.boxed()
}

/// Finds the resource of a request; if there is none, the request has been answered, and that may have to be waited for.
fn target<'s>(
    service: &'s Service,
    message: Message,
    start: usize,
    end: usize,
    reply: &Subject,
) -> Result<(&'s Arc<Definition>, Target, Bytes), Option<Rest>> {
    let Message { subject, payload, headers, .. } = message;
    let name = &subject.as_str()[start..end];
    let Some(definition) = service.find(name) else {
        return Err(service.refuse(reply.clone(), &Error::NOT_FOUND, name));
    };
    let headers = headers.map(Arc::new);
    let (service, number) = (service.clone(), definition.number);
    let (name_start, name_end) = (start, end);
    let target = Target { service, definition: number, subject, name_start, name_end, headers, slot: None };
    Ok((definition, target, payload))
}

/// The end of the resource name in `<kind>.<name>.<method>`.
fn name_end(subject: &Subject) -> usize {
    subject.as_str().rfind('.').unwrap_or(subject.as_str().len())
}

#[inline(never)]
fn call(service: &Service, message: Message, reply: Subject, received: Instant) -> Option<Rest> {
    let end = name_end(&message.subject);
    let (definition, mut target, payload) = match target(service, message, "call.".len(), end, &reply) {
        Ok(found) => found,
        Err(rest) => return rest,
    };
    let Some(handler) = definition.calls.find(&target.subject.as_str()[end + 1..]) else {
        return service.refuse(reply, &Error::METHOD_NOT_FOUND, target.name());
    };
    let slot = match service.calls().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            return service.refuse_busy(reply);
        }
    };
    target.slot = Some(slot.key());
    let subject = target.subject.as_str().into();
    let mut asked = Asked { subject, is_http: false, name_end: end, slot };
    let rest = match Call::parse(target, payload) {
        Ok(request) => {
            asked.is_http = request.is_http();
            if definition.calls_side_by_side {
                respond(service, handler, request, asked)
            } else {
                in_order::call(service, definition, handler, request, asked)
            }
        }
        Err(error) => answer(service, asked, Err(error)),
    };
    go_on(rest)
}

/// Sees to it that what must be waited for is done, as many together as may be in work; the next request need not wait.
fn go_on(rest: Option<Rest>) -> Option<Rest> {
    if let Some(rest) = rest {
        tokio::spawn(rest);
    }
    None
}

async fn go_through(rest: Option<Rest>) {
    if let Some(rest) = rest {
        rest.await;
    }
}

#[inline(never)]
fn auth(service: &Service, message: Message, reply: Subject, received: Instant) -> Option<Rest> {
    let end = name_end(&message.subject);
    let (definition, mut target, payload) = match target(service, message, "auth.".len(), end, &reply) {
        Ok(found) => found,
        Err(rest) => return rest,
    };
    let Some(handler) = definition.auths.find(&target.subject.as_str()[end + 1..]).cloned() else {
        return service.refuse(reply, &Error::METHOD_NOT_FOUND, target.name());
    };
    let slot = match service.calls().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            return service.refuse_busy(reply);
        }
    };
    target.slot = Some(slot.key());
    let service = service.clone();
    // Checking who somebody is takes computing, which others should not have to wait for.
    tokio::spawn(async move {
        let subject = target.subject.as_str().into();
        let mut asked = Asked { subject, is_http: false, name_end: end, slot };
        let rest = match Auth::parse(target, payload) {
            Ok(request) => {
                asked.is_http = request.is_http();
                respond(&service, &handler, request, asked)
            }
            Err(error) => answer(&service, asked, Err(error)),
        };
        go_through(rest).await;
    });
    None
}

/// A call or authentication that is being handled.
struct Asked {
    /// A copy: the handler has the subject itself, and may keep it.
    subject: Box<str>,
    is_http: bool,
    name_end: usize,
    slot: Slot,
}

/// Runs a call or auth handler and sends what it answers; gives back what must be waited for.
fn respond<R: Request<Answer = Reply>>(
    service: &Service,
    handler: &Handler<R, Reply>,
    request: R,
    asked: Asked,
) -> Option<Rest> {
    let name = &asked.subject["call.".len()..asked.name_end];
    let method = &asked.subject[asked.name_end + 1..];
    let span = tracing::debug_span!(
        "request",
        res.kind = R::KIND.name(),
        res.resource = name,
        res.method = method,
        res.cid = request.cid()
    );
    match begin(service, span, || handler(request)) {
        Begun::Done(outcome) => answer(service, asked, outcome),
        Begun::Waiting(handled) => Some(wait(service.clone(), asked, handled)),
    }
}

/// What is left when the handler has to wait.
#[inline(never)]
fn wait(service: Service, asked: Asked, handled: Handled<Reply>) -> Rest {
    let wait = async move {
        let outcome = guarded(&service, service.limits().handler_time_max, handled).await;
        if let Some(rest) = answer(&service, asked, outcome) {
            rest.await;
        }
    };
    wait.boxed()
}

/// Answers a call or authentication.
fn answer(service: &Service, asked: Asked, outcome: Result<Reply, Error>) -> Option<Rest> {
    let name = &asked.subject["call.".len()..asked.name_end];
    let outcome = outcome.and_then(|answer| {
        let failure = answer.failure().cloned();
        let encoded = answer.encode(asked.is_http)?;
        if let Some(error) = failure {
            service.note_error(&error, name);
        }
        Ok(encoded)
    });
    let rest = service.answer(asked.slot.take_reply()?, outcome, name)?;
    Some(keeping(rest, asked.slot))
}

#[inline(never)]
fn get(service: &Service, message: Message, reply: Subject, received: Instant) -> Option<Rest> {
    let Message { subject, payload, headers, .. } = message;
    let name = subject.as_str().get("get.".len()..).unwrap_or("");
    // A replica that does not own it hands it on with headers, which must fit into a message too.
    if payload.len() > service.connection().max_payload() / 2 {
        return service.refuse(reply, &Error::INVALID_QUERY, name);
    }
    let query = match Get::parse_query(&payload) {
        Ok(query) => query,
        Err(error) => return service.refuse(reply, &error, name),
    };
    let slot = match service.gets().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            if let Some(route) = service.route(name) {
                // A gateway that was refreshing the resource keeps an old state now.
                service.resets().follow_up(service, &route.name);
            }
            return service.refuse_busy(reply);
        }
    };
    let (route, begun) = match service.groups().begin_at_once(service.ownership(), name, received) {
        Some(remembered) => remembered,
        None => match service.new_route(name) {
            Some(route) => (route, None),
            None => return service.refuse(slot.take_reply()?, &Error::NOT_FOUND, name),
        },
    };
    let get = IncomingGet {
        route,
        subject: Some(subject),
        payload,
        headers: headers.map(Arc::new),
        query,
        received,
        has_waited: false,
        begun,
        slot,
    };
    if begun.is_some() {
        serve_at_once(service, get);
    } else {
        route_get(service, get);
    }
    None
}

/// A gateway asks for the state of one of its queries after a query change.
#[inline(never)]
fn query(service: &Service, message: &Message, reply: Subject, received: Instant) -> Option<Rest> {
    let prefix = subject("query", service.name(), service.replica());
    let name = message.subject.as_str().get(prefix.len() + 1..).unwrap_or_default();
    let Some(route) = service.route(name) else {
        return service.refuse(reply, &Error::NOT_FOUND, name);
    };
    let query = match Get::parse_query(&message.payload) {
        Ok(query) => query.unwrap_or_default(),
        Err(error) => return service.refuse(reply, &error, name),
    };
    let slot = match service.gets().enter(reply, received) {
        Ok(slot) => slot,
        Err(reply) => {
            // The gateway keeps an old state of its query now.
            service.resets().follow_up(service, &route.name);
            return service.refuse_busy(reply);
        }
    };
    let group = Arc::clone(&route.group);
    service.groups().push(service, &group, Job::Query { route, query, received, slot });
    None
}

/// Waits until the subscriptions that end with the stop have delivered everything.
pub(crate) async fn drained(service: &Service) {
    service.open_subscriptions().wait_for(|open| open == 0).await;
}
