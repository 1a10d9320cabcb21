//! Calls as Resgate makes them: a pre-response only says that the answer takes longer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_nats::{Client, Message};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::oneshot;

/// Nobody waits for longer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>;

/// Asks over one subscription. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    inbox: Arc<str>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

impl Caller {
    /// Asks over `client`.
    pub(crate) async fn new(client: Client) -> anyhow::Result<Self> {
        let inbox: Arc<str> = client.new_inbox().into();
        let mut answers = client.subscribe(format!("{inbox}.*")).await?;
        let waiting = Waiting::default();
        let answered = waiting.clone();
        tokio::spawn(async move {
            while let Some(message) = answers.next().await {
                hand_out(&answered, message);
            }
        });
        Ok(Self { client, inbox, waiting, next: Arc::default() })
    }

    /// The answer to a call.
    pub(crate) async fn ask(&self, subject: String, payload: Vec<u8>) -> anyhow::Result<Bytes> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, answer);
        self.client.publish_with_reply(subject, format!("{}.{number}", self.inbox), payload.into()).await?;
        tokio::time::timeout(ANSWER_DEADLINE, answered)
            .await
            .context("a call was not answered in time")?
            .context("no answer")
    }
}

fn hand_out(waiting: &Waiting, message: Message) {
    if message.payload.starts_with(b"timeout:") {
        return;
    }
    let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
    let answer =
        number.and_then(|number| waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number));
    if let Some(answer) = answer {
        // Whoever asked may have given up.
        let _gone = answer.send(message.payload);
    }
}
