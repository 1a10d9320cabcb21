//! What a service says: of its own accord, and in answer.

use std::sync::Arc;

use async_nats::Subject;
use async_nats::message::OutboundMessage;
use async_nats::subject::ToSubject;
use bytes::Bytes;
use futures::FutureExt;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::connection::Sent;
use crate::error::Error;
use crate::group::{Job, Route};
use crate::handling::Rest;
use crate::in_flight::PreResponse;
use crate::name::{check_change_name, check_reset_pattern, is_part};
use crate::reply::error_json;
use crate::service::Service;
use crate::statistics::count;
use crate::trace::TraceContext;
use crate::turn::{self, Waiter, Waits};

/// Patterns in one reset message.
const PATTERNS_PER_RESET: usize = 500;
/// What surrounds the patterns in a reset.
const RESET_FRAME_BYTES: usize = r#"{"resources":[],}"#.len();

impl Service {
    /// Publishes a custom change, which clients see but which does not change the resource's state.
    ///
    /// It goes out at once, by the connection of this replica. So on the owner it comes after what [`Service::refresh_now`]
    /// has published, and not after what a [`Service::refresh`] will; from another replica it may come before or after what the
    /// owner publishes.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`], with the reason as its cause: a name that cannot name a custom change, a resource of
    /// another service, a payload that cannot be written as JSON, or a connection that takes no more.
    pub async fn emit<T: Serialize + ?Sized>(
        &self,
        resource_id: impl AsRef<str>,
        change: &str,
        payload: &T,
    ) -> Result<(), Error> {
        check_change_name(change)?;
        let name = self.own_name(resource_id.as_ref())?;
        let payload = serde_json::to_vec(payload).map_err(Error::internal)?;
        self.publish(format!("event.{name}.{change}"), payload.into()).await
    }

    /// Tells other services that a resource has come into being.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`], with the reason as its cause: a resource of another service, or a connection that takes
    /// no more.
    pub async fn create(&self, resource_id: impl AsRef<str>) -> Result<(), Error> {
        let name = self.own_name(resource_id.as_ref())?;
        self.publish(format!("event.{name}.create"), Bytes::new()).await
    }

    /// Tells that a resource is gone. Clients that have it lose it, and later changes do not reach them. Its get handler
    /// must answer [`Error::NOT_FOUND`] by now; a [`Service::refresh`] would then say the same by itself, and that is what
    /// becomes of this on a replica that does not own the resource. Of two calls that would wait for each other's groups the
    /// later goes on at once, and the end of the resource is told after that.
    ///
    /// # Errors
    ///
    /// Those of [`Service::create`]; also when the resource gets another owner meanwhile, and when the service stops.
    pub async fn delete(&self, resource_id: impl AsRef<str>) -> Result<(), Error> {
        let name = self.own_name(resource_id.as_ref())?;
        let Some(route) = self.route(name).filter(|route| route.key.is_some()) else {
            self.publish(format!("event.{name}.delete"), Bytes::new()).await?;
            // Those who asked with a query do not hear of it; when they are made to ask again, nothing is found.
            self.publish_reset(&[name], &[]).await;
            return Ok(());
        };
        if route.key.as_deref().is_none_or(|key| self.ownership().term(key).is_none()) {
            // Its owner alone says what becomes of it, after what it said before.
            self.hint(route);
            return Ok(());
        }
        if turn::is_of(self, &route.group) {
            return turn::delete(self, &route).await;
        }
        let wait = Waits::note(self, &route.group);
        let (sender, deleted) = oneshot::channel();
        let done = Waiter::new(sender, wait.as_ref().ok().cloned().flatten());
        let group = Arc::clone(&route.group);
        self.groups().push(self, &group, Job::Delete { route, done, trace: TraceContext::current() });
        let Ok(_wait) = wait else {
            tracing::warn!(res.group = %group, "calls would wait for each other, so one of them goes on before its delete");
            return Ok(());
        };
        deleted.await.unwrap_or_else(|_| {
            Err(Error::internal("the service stopped before it could delete the resource"))
        })
    }

    /// Makes the gateways ask again who may do what with a resource, with whatever query it was asked for.
    ///
    /// # Errors
    ///
    /// Those of [`Service::create`].
    pub async fn reaccess(&self, resource_id: impl AsRef<str>) -> Result<(), Error> {
        let name = self.own_name(resource_id.as_ref())?;
        self.publish(format!("event.{name}.reaccess"), Bytes::new()).await?;
        // Gateways do not pass it on to those who asked with a query, and only the owner knows that nobody did.
        let route = self.find(name).map(|definition| Route::new(Arc::clone(definition), name));
        let term = route.as_ref().and_then(|route| self.ownership().term(route.key.as_deref()?));
        if let (Some(route), Some(term)) = (&route, term)
            && !self.groups().has_queries(route, term)
        {
            return Ok(());
        }
        self.publish_reset(&[], &[name]).await;
        Ok(())
    }

    /// Makes the gateways ask again for all `resources` they have, and for all `access` they were granted, that match
    /// these full patterns (`tickets.event.*.section.*`, `tickets.>`).
    ///
    /// A gateway that is already asking passes a reset over, so this is no way to announce a change.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when a pattern is none, which gateways would pass over in silence; then nothing is
    /// published.
    pub async fn reset(&self, resources: &[&str], access: &[&str]) -> Result<(), Error> {
        resources.iter().chain(access).try_for_each(|pattern| check_reset_pattern(pattern))?;
        self.publish_reset(resources, access).await;
        Ok(())
    }

    /// Sets the token of a client's connection; `&()` clears it. Called in an auth handler, it reaches the gateway
    /// before the answer. With a `token_id` it can be found by [`Service::reset_tokens`].
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`], with the reason as its cause: a `cid` that cannot be one, a token that cannot be written
    /// as JSON, or a connection that takes no more.
    pub async fn set_token<T: Serialize + ?Sized>(
        &self,
        cid: &str,
        token: &T,
        token_id: Option<&str>,
    ) -> Result<(), Error> {
        #[derive(Serialize)]
        struct Token<'a, T: ?Sized> {
            token: &'a T,
            #[serde(skip_serializing_if = "Option::is_none")]
            tid: Option<&'a str>,
        }
        if !is_part(cid) {
            return Err(Error::internal(format!("{cid:?} is not the id of a connection")));
        }
        let payload = serde_json::to_vec(&Token { token, tid: token_id }).map_err(Error::internal)?;
        self.publish(format!("conn.{cid}.token"), payload.into()).await
    }

    /// Makes the gateways send an auth request to `subject` (e.g. `auth.identity.session.renew`) for every connection
    /// whose token has one of these ids. Its handler sets the connection's new token, or none.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`], with the reason as its cause: a subject that is not that of an authentication, or a
    /// connection that takes no more.
    pub async fn reset_tokens(&self, token_ids: &[&str], subject: &str) -> Result<(), Error> {
        let parts =
            subject.strip_prefix("auth.").filter(|rest| rest.contains('.') && crate::name::is_name(rest));
        if parts.is_none() {
            return Err(Error::internal(format!(
                "{subject:?} is not the subject of an authentication: auth.<resource>.<method>"
            )));
        }
        if token_ids.is_empty() {
            return Ok(());
        }
        let payload = serde_json::json!({"tids": token_ids, "subject": subject}).to_string();
        self.publish("system.tokenReset", payload.into()).await
    }
}

/// What the other modules of the crate use.
impl Service {
    /// Publishes a reset of patterns that are known to be valid.
    pub(crate) async fn publish_reset(&self, resources: &[&str], access: &[&str]) {
        #[derive(Serialize)]
        struct Reset<'a> {
            #[serde(skip_serializing_if = "<[&str]>::is_empty")]
            resources: &'a [&'a str],
            #[serde(skip_serializing_if = "<[&str]>::is_empty")]
            access: &'a [&'a str],
        }
        let bytes_max = self.connection().max_payload();
        let resources = in_messages(resources, bytes_max).map(|resources| Reset { resources, access: &[] });
        let access = in_messages(access, bytes_max).map(|access| Reset { resources: &[], access });
        let mut resets: Vec<Reset<'_>> = resources.chain(access).collect();
        if let [first, second] = resets.as_mut_slice()
            && first.access.is_empty()
            && second.resources.is_empty()
            && reset_bytes(first.resources) + reset_bytes(second.access) <= bytes_max
        {
            first.access = second.access;
            resets.truncate(1);
        }
        for reset in resets {
            count(&self.statistics().resets_published);
            match serde_json::to_vec(&reset) {
                Ok(payload) => self.send("system.reset", payload.into()).await,
                Err(error) => tracing::error!("a reset could not be written: {error}"),
            }
        }
    }

    /// Publishes; what goes wrong is for the caller.
    pub(crate) async fn publish(&self, subject: impl ToSubject, payload: Bytes) -> Result<(), Error> {
        let message = self.message(subject.to_subject(), payload);
        self.connection().publish(message).await.map_err(Error::internal)
    }

    /// A message with the trace of what causes it; one that is too large with that goes without it.
    fn message(&self, subject: Subject, payload: Bytes) -> OutboundMessage {
        let headers = TraceContext::current().and_then(|context| {
            let fits = payload.len() + context.wire_bytes() <= self.connection().max_payload();
            fits.then(|| context.headers())
        });
        OutboundMessage { subject, reply: None, payload, headers }
    }

    /// Publishes; what goes wrong is for the log, as there is nobody to tell.
    pub(crate) async fn send(&self, subject: impl ToSubject, payload: Bytes) {
        if let Err(error) = self.publish(subject, payload).await {
            note_unsent(&error);
        }
    }

    /// Tells who waits for an answer to wait longer.
    pub(crate) async fn pre_respond(&self, pre_response: PreResponse) {
        count(&self.statistics().pre_responses);
        self.send(pre_response.reply, pre_response.payload).await;
    }

    /// The same, for a caller that does not wait.
    pub(crate) fn pre_respond_now(&self, pre_response: PreResponse) {
        count(&self.statistics().pre_responses);
        if let Some(rest) = self.answer_now(pre_response.reply, pre_response.payload) {
            self.spawn(rest);
        }
    }

    /// Publishes at once if the connection's buffer has room, and else gives back what must be waited for.
    pub(crate) fn send_now(&self, subject: Subject, payload: Bytes) -> Option<Rest> {
        self.send_message_now(self.message(subject, payload))
    }

    /// Like [`Service::send_now`], for an answer: who gets it knows the trace, as it has asked.
    fn answer_now(&self, reply: Subject, payload: Bytes) -> Option<Rest> {
        self.send_message_now(OutboundMessage { subject: reply, reply: None, payload, headers: None })
    }

    fn send_message_now(&self, message: OutboundMessage) -> Option<Rest> {
        match self.connection().publish_now(message) {
            Sent::Done => None,
            Sent::Failed(error) => {
                note_unsent(&Error::internal(error));
                None
            }
            Sent::NoRoom(message) => Some(self.send_later(message)),
        }
    }

    #[cold]
    fn send_later(&self, message: OutboundMessage) -> Rest {
        let service = self.clone();
        let publish = async move {
            if let Err(error) = service.connection().publish(message).await {
                note_unsent(&Error::internal(error));
            }
        };
        publish.boxed()
    }

    /// Answers a request, and gives back what must be waited for. An answer that does not fit into a message is an
    /// error instead, and never silence.
    #[must_use]
    pub(crate) fn answer(&self, reply: Subject, outcome: Result<Bytes, Error>, name: &str) -> Option<Rest> {
        let bytes_max = self.connection().max_payload();
        let payload = outcome
            .and_then(|payload| match payload.len() {
                bytes if bytes > bytes_max => Err(too_large(bytes, bytes_max)),
                _ => Ok(payload),
            })
            .unwrap_or_else(|error| self.error_payload(&error, name));
        self.answer_now(reply, payload)
    }

    /// Answers with an error, as [`Service::answer`] does.
    #[must_use]
    pub(crate) fn refuse(&self, reply: Subject, error: &Error, name: &str) -> Option<Rest> {
        self.answer_now(reply, self.error_payload(error, name))
    }

    /// An error as it is answered, which is counted and logged by this.
    #[inline(never)]
    pub(crate) fn error_payload(&self, error: &Error, name: &str) -> Bytes {
        self.note_error(error, name);
        let payload = error_json(error);
        let bytes_max = self.connection().max_payload();
        if payload.len() > bytes_max {
            tracing::error!(
                res.resource = %name, error.code = %error.code(),
                "an error has {} bytes, more than NATS takes ({bytes_max}); its message or data must be shorter",
                payload.len()
            );
            return error_json(&Error::INTERNAL_ERROR);
        }
        payload
    }

    #[must_use]
    pub(crate) fn refuse_busy(&self, reply: Subject) -> Option<Rest> {
        count(&self.statistics().busy_replies);
        count(&self.statistics().error_replies);
        self.answer_now(reply, self.busy_reply())
    }

    /// Counts an error that is being answered, and logs it once if the fault lies here.
    pub(crate) fn note_error(&self, error: &Error, name: &str) {
        count(&self.statistics().error_replies);
        if error.is_internal() {
            count(&self.statistics().internal_error_replies);
            tracing::error!(res.resource = %name, error.cause = error.cause_chain(), "a request failed: {error}");
        } else {
            // Its message may quote what the client sent.
            tracing::debug!(res.resource = %name, error.code = %error.code(), error.cause = error.cause_chain(), "a request was refused");
        }
    }
}

/// What a reset of these patterns takes at most, without headers.
fn reset_bytes(patterns: &[&str]) -> usize {
    // `"resources":[…],` within braces; each in quotes and with a comma.
    RESET_FRAME_BYTES + patterns.iter().map(|pattern| pattern_bytes(pattern)).sum::<usize>()
}

/// In JSON; names may hold letters that are escaped there.
fn pattern_bytes(pattern: &str) -> usize {
    pattern.bytes().map(|byte| if matches!(byte, b'"' | b'\\') { 2 } else { 1 }).sum::<usize>() + 3
}

/// The patterns in as many parts as messages are needed. A pattern that no message takes is one by itself.
fn in_messages<'a>(
    mut patterns: &'a [&'a str],
    bytes_max: usize,
) -> impl Iterator<Item = &'a [&'a str]> + 'a {
    std::iter::from_fn(move || {
        let mut bytes = RESET_FRAME_BYTES;
        let fitting = patterns.iter().take(PATTERNS_PER_RESET).take_while(|pattern| {
            bytes += pattern_bytes(pattern);
            bytes <= bytes_max
        });
        let count = fitting.count().max(1).min(patterns.len());
        let (part, rest) = patterns.split_at(count);
        patterns = rest;
        (!part.is_empty()).then_some(part)
    })
}

#[cold]
fn too_large(bytes: usize, bytes_max: usize) -> Error {
    Error::internal(format!(
        "the answer has {bytes} bytes, more than NATS takes ({bytes_max}); split the resource or raise max_payload"
    ))
}

#[cold]
fn note_unsent(error: &Error) {
    tracing::error!(error.cause = error.cause_chain(), "a message could not be published");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_cut_where_a_message_is_full() {
        let names: Vec<String> = (0..10).map(|number| format!("test.{number}\"\\")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for bytes_max in [1, 30, 31, 32, 50, 100, 1_000] {
            let parts: Vec<&[&str]> = in_messages(&names, bytes_max).collect();
            assert_eq!(parts.concat(), names, "each once, in order");
            for part in &parts {
                let written = serde_json::json!({ "resources": part }).to_string();
                assert!(written.len() <= bytes_max || part.len() == 1, "{written} in {bytes_max}");
                assert!(written.len() <= reset_bytes(part));
            }
        }
        let one_after_the_other = in_messages(&names, 60).count();
        assert!((2..10).contains(&one_after_the_other), "{one_after_the_other}");
        let many = vec!["test.m"; 2 * PATTERNS_PER_RESET + 1];
        let parts: Vec<usize> = in_messages(&many, 1 << 20).map(<[&str]>::len).collect();
        assert_eq!(parts, [PATTERNS_PER_RESET, PATTERNS_PER_RESET, 1]);
        assert_eq!(in_messages(&[], 100).count(), 0);
    }
}
