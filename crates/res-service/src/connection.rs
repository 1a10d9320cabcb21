//! The connection to NATS, as much of it as the library uses. In the library's own tests a simulated network can take
//! its place, so that thousands of histories with failures run in virtual time and each can be run again.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::message::OutboundMessage;
use async_nats::{Client, HeaderMap, Message, Request, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use tokio::task::unconstrained;

use crate::error::BoxError;
#[cfg(test)]
use crate::simulation::network::{SimulatedConnection, SimulatedSubscription};

/// A connection to a broker.
pub(crate) enum Connection {
    Nats(Box<Nats>),
    #[cfg(test)]
    Simulated(SimulatedConnection),
}

/// The client, once more for what is published without waiting: it asks for room before it takes a message.
pub(crate) struct Nats {
    client: Client,
    immediate: Mutex<Client>,
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
    /// Publishes if the connection's buffer has room. The subject must be one that NATS takes: nothing looks at it here.
    pub(crate) fn publish_now(&self, message: OutboundMessage) -> Sent {
        match self {
            Self::Nats(nats) => nats.publish_now(message),
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.publish(message.subject, None, message.headers, message.payload);
                Sent::Done
            }
        }
    }

    pub(crate) async fn publish(&self, message: OutboundMessage) -> Result<(), BoxError> {
        match self {
            Self::Nats(nats) => match message {
                OutboundMessage { subject, payload, headers: None, .. } => {
                    Ok(nats.client.publish(subject, payload).await?)
                }
                OutboundMessage { subject, payload, headers: Some(headers), .. } => {
                    Ok(nats.client.publish_with_headers(subject, headers, payload).await?)
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
            Self::Nats(nats) => {
                let mut request = Request::new().payload(payload).timeout(Some(time_max));
                if let Some(headers) = headers {
                    request = request.headers(headers);
                }
                Ok(nats.client.send_request(subject, request).await?)
            }
            #[cfg(test)]
            Self::Simulated(connection) => {
                connection.request(subject.into(), headers, payload, time_max).await
            }
        }
    }

    pub(crate) async fn subscribe(&self, subject: String) -> Result<Subscription, BoxError> {
        match self {
            Self::Nats(nats) => Ok(Subscription::Nats(nats.client.subscribe(subject).await?)),
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
            Self::Nats(nats) => Ok(Subscription::Nats(nats.client.queue_subscribe(subject, queue).await?)),
            #[cfg(test)]
            Self::Simulated(connection) => {
                Ok(Subscription::Simulated(connection.subscribe(&subject, Some(queue))))
            }
        }
    }

    pub(crate) fn new_inbox(&self) -> String {
        match self {
            Self::Nats(nats) => nats.client.new_inbox(),
            #[cfg(test)]
            Self::Simulated(connection) => connection.new_inbox(),
        }
    }

    /// How many bytes a message may have.
    pub(crate) fn max_payload(&self) -> usize {
        match self {
            Self::Nats(nats) => nats.client.max_payload(),
            #[cfg(test)]
            Self::Simulated(_) => 1024 * 1024,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        match self {
            Self::Nats(nats) => nats.client.connection_state() == State::Connected,
            #[cfg(test)]
            Self::Simulated(connection) => connection.is_connected(),
        }
    }

    /// How often the connection has been made: once at first, and once more each time it came back.
    pub(crate) fn connects(&self) -> u64 {
        match self {
            Self::Nats(nats) => nats.client.statistics().connects.load(Ordering::Relaxed),
            #[cfg(test)]
            Self::Simulated(connection) => connection.connects(),
        }
    }
}

impl Nats {
    pub(crate) fn new(client: Client) -> Self {
        let immediate = Mutex::new(client.clone());
        Self { client, immediate }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn publish_now(&self, message: OutboundMessage) -> Sent {
        let mut immediate = self.immediate.lock().unwrap_or_else(PoisonError::into_inner);
        // There is room or there is none, however much the task that asks has done already.
        let room = unconstrained(poll_fn(|context| immediate.poll_ready_unpin(context))).now_or_never();
        let sent = match room {
            Some(Ok(())) => match immediate.start_send_unpin(message) {
                Ok(()) => return Sent::Done,
                Err(error) => Sent::Failed(error.into()),
            },
            Some(Err(error)) => Sent::Failed(error.into()),
            None => Sent::NoRoom(message),
        };
        // It would keep what it has, a place in the queue or even room, and others who wait would miss that.
        *immediate = self.client.clone();
        sent
    }
}

impl Subscription {
    /// The next message; `None` when the subscription has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| self.poll_next(context)).await
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        match self {
            Self::Nats(subscriber) => subscriber.poll_next_unpin(context),
            #[cfg(test)]
            Self::Simulated(subscription) => subscription.poll_next(context),
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
