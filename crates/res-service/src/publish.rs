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
use crate::name::{check_change_name, check_reset_pattern, is_part};
use crate::reply::error_json;
use crate::service::Service;
use crate::statistics::count;
use crate::trace::TraceContext;
use crate::turn;

/// Patterns in one reset message.
const PATTERNS_PER_RESET: usize = 500;

impl Service {
    /// Publishes a custom change, which clients see but which does not change the resource's state.
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
    /// must answer [`Error::NOT_FOUND`] by now; a [`Service::refresh`] would then say the same by itself.
    ///
    /// # Errors
    ///
    /// Those of [`Service::create`]; also when the resource gets another owner meanwhile, and when the service stops.
    pub async fn delete(&self, resource_id: impl AsRef<str>) -> Result<(), Error> {
        let name = self.own_name(resource_id.as_ref())?;
        let owned = self
            .route(name)
            .filter(|route| route.key.as_deref().is_some_and(|key| self.ownership().term(key).is_some()));
        let Some(route) = owned else {
            self.publish(format!("event.{name}.delete"), Bytes::new()).await?;
            // Those who asked with a query do not hear of it; when they are made to ask again, nothing is found.
            self.publish_reset(&[name], &[]).await;
            return Ok(());
        };
        if turn::is_of(&route.group) {
            return turn::delete(self, &route).await;
        }
        let (done, deleted) = oneshot::channel();
        let group = Arc::clone(&route.group);
        self.groups().push(self, &group, Job::Delete { route, done, trace: TraceContext::current() });
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
        let resources =
            resources.chunks(PATTERNS_PER_RESET).map(|resources| Reset { resources, access: &[] });
        let access = access.chunks(PATTERNS_PER_RESET).map(|access| Reset { resources: &[], access });
        let mut resets: Vec<Reset<'_>> = resources.chain(access).collect();
        if let [first, second] = resets.as_mut_slice()
            && first.access.is_empty()
            && second.resources.is_empty()
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
        let context = TraceContext::current();
        let context =
            context.filter(|context| payload.len() + context.wire_bytes() <= self.connection().max_payload());
        let headers = context.as_ref().map(TraceContext::headers);
        OutboundMessage { subject, reply: None, payload, headers }
    }

    /// Publishes; what goes wrong is for the log, as there is nobody to tell.
    pub(crate) async fn send(&self, subject: impl ToSubject, payload: Bytes) {
        if let Err(error) = self.publish(subject, payload).await {
            note_unsent(&error);
        }
    }

    /// Publishes at once if the connection's buffer has room, and else gives back what must be waited for.
    pub(crate) fn send_now(&self, subject: Subject, payload: Bytes) -> Option<Rest> {
        match self.connection().publish_now(self.message(subject, payload)) {
            Sent::Done => None,
            Sent::Failed(error) => {
                note_unsent(&Error::internal(error));
                None
            }
            Sent::NoRoom(message) => {
                let service = self.clone();
                let publish = async move {
                    if let Err(error) = service.connection().publish(message).await {
                        note_unsent(&Error::internal(error));
                    }
                };
                Some(publish.boxed())
            }
        }
    }

    /// Answers a request, and gives back what must be waited for. An answer that does not fit into a message is an
    /// error instead, and never silence.
    #[must_use]
    pub(crate) fn answer(&self, reply: Subject, outcome: Result<Bytes, Error>, name: &str) -> Option<Rest> {
        let bytes_max = self.connection().max_payload();
        let payload = outcome
            .and_then(|payload| match payload.len() {
                bytes if bytes > bytes_max => Err(Error::internal(format!(
                    "the answer has {bytes} bytes, more than NATS takes ({bytes_max}); split the resource or raise \
                     max_payload"
                ))),
                _ => Ok(payload),
            })
            .unwrap_or_else(|error| self.error_payload(&error, name));
        self.send_now(reply, payload)
    }

    /// Answers with an error, as [`Service::answer`] does.
    #[must_use]
    pub(crate) fn refuse(&self, reply: Subject, error: &Error, name: &str) -> Option<Rest> {
        self.send_now(reply, self.error_payload(error, name))
    }

    /// An error as it is answered, which is counted and logged by this.
    pub(crate) fn error_payload(&self, error: &Error, name: &str) -> Bytes {
        self.note_error(error, name);
        let payload = error_json(error);
        let bytes_max = self.connection().max_payload();
        if payload.len() > bytes_max {
            tracing::error!(
                res.resource = %name, error.code = %error.code,
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
        self.send_now(reply, self.busy_reply())
    }

    /// Counts an error that is being answered, and logs it once if the fault lies here.
    pub(crate) fn note_error(&self, error: &Error, name: &str) {
        count(&self.statistics().error_replies);
        if error.is_internal() {
            count(&self.statistics().internal_error_replies);
            tracing::error!(res.resource = %name, error.cause = error.cause_chain(), "a request failed: {error}");
        } else {
            // Its message may quote what the client sent.
            tracing::debug!(res.resource = %name, error.code = %error.code, error.cause = error.cause_chain(), "a request was refused");
        }
    }
}

fn note_unsent(error: &Error) {
    tracing::error!(error.cause = error.cause_chain(), "a message could not be published");
}
