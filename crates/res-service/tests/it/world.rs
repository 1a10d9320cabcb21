//! A nats-server of its own for each test, and what a gateway would see of it.

use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use res_service::test_kit::NatsServer;
use serde_json::Value;

use crate::nats::server_with;
pub(crate) use crate::nats::{PATIENCE, round_trip};

pub(crate) struct World {
    server: NatsServer,
    pub(crate) client: Client,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// A server with a line of configuration more.
    pub(crate) async fn with(configuration: &str) -> Self {
        let server = server_with(configuration).await;
        let client = server.connect().await.unwrap();
        Self { server, client }
    }

    /// A connection of its own, as every replica has.
    pub(crate) async fn connect(&self) -> Client {
        self.server.connect().await.unwrap()
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    /// Everything that is on the wire from now on, in the order of the server.
    pub(crate) async fn listen(&self) -> Wire {
        let client = self.connect().await;
        let subscriber = client.subscribe(">").await.unwrap();
        round_trip(&client).await;
        Wire { client, subscriber }
    }

    /// The final answer to a request.
    pub(crate) async fn ask(&self, subject: &str, payload: impl Into<Bytes>) -> Value {
        let answers = self.answers(subject, payload).await;
        serde_json::from_slice(answers.last().unwrap()).expect("an answer is JSON")
    }

    /// All that is answered to a request, pre-responses first.
    pub(crate) async fn answers(&self, subject: &str, payload: impl Into<Bytes>) -> Vec<Bytes> {
        let inbox = self.client.new_inbox();
        let mut replies = self.client.subscribe(inbox.clone()).await.unwrap();
        self.client.publish_with_reply(subject.to_owned(), inbox, payload.into()).await.unwrap();
        let mut answers = Vec::new();
        loop {
            let reply = tokio::time::timeout(PATIENCE, replies.next()).await;
            let reply =
                reply.unwrap_or_else(|_| panic!("{subject} was not answered; got {answers:?}")).unwrap();
            assert_ne!(
                reply.status,
                Some(async_nats::StatusCode::NO_RESPONDERS),
                "{subject} has no responder"
            );
            let is_last = !reply.payload.first().is_some_and(u8::is_ascii_alphabetic);
            answers.push(reply.payload);
            if is_last {
                return answers;
            }
        }
    }
}

/// All messages of a server.
pub(crate) struct Wire {
    client: Client,
    subscriber: Subscriber,
}

impl Wire {
    /// Sends a request whose answer appears on the wire under `reply`.
    pub(crate) async fn request(&self, subject: &str, reply: &str, payload: &str) {
        let (subject, reply) = (subject.to_owned(), reply.to_owned());
        self.client.publish_with_reply(subject, reply, Bytes::from(payload.to_owned())).await.unwrap();
    }

    /// The next message that a service publishes: no requests and nothing between replicas.
    pub(crate) async fn next(&mut self) -> (String, String) {
        self.next_where(|subject| {
            !["get.", "call.", "auth.", "access.", "_INBOX.", "res.", "$"]
                .iter()
                .any(|kind| subject.starts_with(kind))
        })
        .await
    }

    /// The next message whose subject is of interest.
    pub(crate) async fn next_where(&mut self, wanted: impl Fn(&str) -> bool) -> (String, String) {
        let next = async {
            loop {
                let message = self.subscriber.next().await.expect("the connection lives");
                if wanted(message.subject.as_str()) {
                    return (
                        message.subject.to_string(),
                        String::from_utf8(message.payload.to_vec()).unwrap(),
                    );
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("something is published in time")
    }

    /// Whether nothing of interest has been published by the time an echo comes back that was sent now.
    pub(crate) async fn is_silent(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        self.client.publish("end.of.silence", Bytes::new()).await.unwrap();
        let (subject, _) = self.next_where(|subject| subject == "end.of.silence" || wanted(subject)).await;
        subject == "end.of.silence"
    }
}

/// Waits until something holds, and tells the last state if it never does.
pub(crate) async fn eventually<T: std::fmt::Debug>(
    what: &str,
    mut state: impl FnMut() -> T,
    holds: impl Fn(&T) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = state();
        if holds(&now) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: it is still {now:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
