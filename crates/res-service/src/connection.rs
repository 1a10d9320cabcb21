//! The connection to NATS, as much of it as the library uses. In the library's own tests a simulated network can take
//! its place, so that thousands of histories with failures run in virtual time and each can be run again.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::message::OutboundMessage;
use async_nats::subject::ToSubject;
use async_nats::{Client, HeaderMap, Message, Request, Subject, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::task::unconstrained;

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

/// What became of a message that was to be sent without waiting.
pub(crate) enum Sent {
    Done,
    /// The connection's buffer has no room: here it is back.
    NoRoom(OutboundMessage),
    Failed(BoxError),
}

/// What comes in on one subject.
pub(crate) enum Subscription {
    Nats(Subscriber),
    #[cfg(test)]
    Simulated(SimulatedSubscription),
}

impl Connection {
    /// Publishes if the connection's buffer has room.
    pub(crate) fn publish_now(&self, message: OutboundMessage) -> Sent {
        match self {
            Self::Nats(_) => {
                // There is room or there is none, however much the task that asks has done already. Who finds none leaves the
                // queue. The copy shares all but headers, which only messages of a trace have.
                match unconstrained(self.publish(message.clone())).now_or_never() {
                    Some(Ok(())) => Sent::Done,
                    Some(Err(error)) => Sent::Failed(error),
                    None => Sent::NoRoom(message),
                }
            }
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.publish(message.subject, None, message.headers, message.payload);
                Sent::Done
            }
        }
    }

    pub(crate) async fn publish(&self, message: OutboundMessage) -> Result<(), BoxError> {
        match self {
            Self::Nats(client) => match message {
                OutboundMessage { subject, payload, headers: None, .. } => {
                    Ok(client.publish(Whole::new(subject), payload).await?)
                }
                OutboundMessage { subject, payload, headers: Some(headers), .. } => {
                    Ok(client.publish_with_headers(subject, headers, payload).await?)
                }
            },
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.publish(message.subject, None, message.headers, message.payload);
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

/// A subject that is given away and not copied when it is asked for: once.
struct Whole(Cell<Option<Subject>>);

impl Whole {
    fn new(subject: Subject) -> Self {
        Self(Cell::new(Some(subject)))
    }
}

impl ToSubject for Whole {
    fn to_subject(&self) -> Subject {
        // The client refuses to publish on an empty one.
        self.0.take().unwrap_or_else(|| Subject::from_static(""))
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
