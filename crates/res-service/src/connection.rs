//! The connection to NATS, as much of it as the library uses. In the library's own tests a simulated network can take
//! its place, so that thousands of histories with failures run in virtual time and each can be run again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::subject::ToSubject;
use async_nats::{Client, HeaderMap, Message, Request, Subscriber};
use bytes::Bytes;
use futures::StreamExt;

use crate::error::BoxError;
#[cfg(test)]
use crate::simulation::network::{SimulatedConnection, SimulatedSubscription};

/// A connection to a broker; clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    Nats(Client),
    #[cfg(test)]
    Simulated(SimulatedConnection),
}

/// What comes in on one subject.
pub(crate) enum Subscription {
    Nats(Subscriber),
    #[cfg(test)]
    Simulated(SimulatedSubscription),
}

impl Connection {
    pub(crate) async fn publish(&self, subject: impl ToSubject, payload: Bytes) -> Result<(), BoxError> {
        match self {
            Self::Nats(client) => Ok(client.publish(subject, payload).await?),
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.publish(subject.to_subject(), None, None, payload);
                Ok(())
            }
        }
    }

    pub(crate) async fn publish_with_headers(
        &self,
        subject: impl ToSubject,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), BoxError> {
        match self {
            Self::Nats(client) => Ok(client.publish_with_headers(subject, headers, payload).await?),
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.publish(subject.to_subject(), None, Some(headers), payload);
                Ok(())
            }
        }
    }

    /// Sends a request and gives its answer; no responder is an error at once, no answer after `time_max`.
    pub(crate) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        time_max: Duration,
    ) -> Result<Message, BoxError> {
        match self {
            Self::Nats(client) => {
                let mut request = Request::new().payload(payload).timeout(Some(time_max));
                if let Some(headers) = headers {
                    request = request.headers(headers);
                }
                Ok(client.send_request(subject, request).await?)
            }
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.request(subject.into(), headers, payload, time_max).await
            }
        }
    }

    pub(crate) async fn subscribe(&self, subject: String) -> Result<Subscription, BoxError> {
        match self {
            Self::Nats(client) => Ok(Subscription::Nats(client.subscribe(subject).await?)),
            #[cfg(test)]
            Self::Simulated(connection) => Ok(Subscription::Simulated(connection.subscribe(&subject, None))),
        }
    }

    /// Shares what comes in with all who use the same `queue`.
    pub(crate) async fn queue_subscribe(
        &self,
        subject: String,
        queue: String,
    ) -> Result<Subscription, BoxError> {
        match self {
            Self::Nats(client) => Ok(Subscription::Nats(client.queue_subscribe(subject, queue).await?)),
            #[cfg(test)]
            Self::Simulated(connection) => {
                Ok(Subscription::Simulated(connection.subscribe(&subject, Some(queue))))
            }
        }
    }

    pub(crate) fn new_inbox(&self) -> String {
        match self {
            Self::Nats(client) => client.new_inbox(),
            #[cfg(test)]
            Self::Simulated(connection) => connection.new_inbox(),
        }
    }

    /// How many bytes a message may have.
    pub(crate) fn max_payload(&self) -> usize {
        match self {
            Self::Nats(client) => client.max_payload(),
            #[cfg(test)]
            Self::Simulated(_) => 1024 * 1024,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        match self {
            Self::Nats(client) => client.connection_state() == State::Connected,
            #[cfg(test)]
            Self::Simulated(connection) => connection.is_connected(),
        }
    }

    /// How often the connection has been made: once at first, and once more each time it came back.
    pub(crate) fn connects(&self) -> u64 {
        match self {
            Self::Nats(client) => client.statistics().connects.load(Ordering::Relaxed),
            #[cfg(test)]
            Self::Simulated(connection) => connection.connects(),
        }
    }
}

impl Subscription {
    /// The next message; `None` when the subscription has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        match self {
            Self::Nats(subscriber) => subscriber.next().await,
            #[cfg(test)]
            Self::Simulated(subscription) => subscription.next().await,
        }
    }

    /// Lets the server end the subscription after so many messages, counted from its beginning.
    pub(crate) async fn unsubscribe_after(&mut self, messages: u64) -> Result<(), BoxError> {
        match self {
            Self::Nats(subscriber) => Ok(subscriber.unsubscribe_after(messages).await?),
            #[cfg(test)]
            Self::Simulated(subscription) => {
                subscription.unsubscribe_after(messages);
                Ok(())
            }
        }
    }

    /// Ends the subscription; what is on its way still comes.
    pub(crate) async fn drain(&mut self) -> Result<(), BoxError> {
        match self {
            Self::Nats(subscriber) => Ok(subscriber.drain().await?),
            #[cfg(test)]
            Self::Simulated(subscription) => {
                subscription.unsubscribe_after(0);
                Ok(())
            }
        }
    }
}
