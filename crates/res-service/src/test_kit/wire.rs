//! The wire as a gateway hears it: everything that is published, in the order of the server.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, Message};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::server::{ServerError, connect, echo};

/// Messages kept until somebody asks for them; of more, the oldest are given up.
const LOG_MAX: usize = 100_000;
/// Answers to one request that may wait to be read: one, and the pre-responses before it.
const ANSWERS_MAX: usize = 64;
/// What the reply subjects of the test kit begin with.
const REPLIES: &str = "_KIT.";
/// Subjects that nobody outside of a service or its requester hears of: requests, inboxes, what replicas tell each
/// other, and NATS itself.
const PASSED_OVER: [&str; 7] = ["get.", "call.", "auth.", "access.", "_INBOX.", "res.", "$"];

/// A message of interest.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) source: Source,
    pub(crate) payload: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Published under this subject.
    Subject(String),
    /// Answers the request of this number.
    Answer(u64),
    /// The echo of this number: nothing that was said before comes after it.
    Echo(u64),
}

/// Everything said on a server from now on.
pub(crate) struct Wire {
    client: Client,
    heard: Arc<Heard>,
    numbers: AtomicU64,
    requests: AtomicU64,
    pump: AbortHandle,
}

#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    log: VecDeque<Seen>,
    given_up: u64,
    /// Typed requests that wait for their answers.
    waiting: HashMap<u64, mpsc::Sender<Bytes>>,
    /// The tokens of connections, as the service set them.
    tokens: HashMap<String, Value>,
    /// Gets under way, with the resource's name.
    gets: HashMap<u64, String>,
    /// Resources of which a get failed: the service makes gateways ask again for them, some time later.
    failed: BTreeSet<String>,
}

impl Wire {
    pub(crate) async fn listen(url: &str) -> Result<Self, ServerError> {
        let client = connect(url).await?;
        let not_connected = |reason: String| ServerError::NotConnected { url: url.to_owned(), reason };
        let mut messages = client.subscribe(">").await.map_err(|error| not_connected(error.to_string()))?;
        echo(&client).await.map_err(not_connected)?;
        let heard = Arc::<Heard>::default();
        let hears = Arc::clone(&heard);
        let pump = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                hears.take(message);
            }
        });
        Ok(Self {
            client,
            heard,
            numbers: AtomicU64::new(1),
            requests: AtomicU64::new(0),
            pump: pump.abort_handle(),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request whose answers come under the number that is given back.
    pub(crate) async fn request(&self, subject: &str, payload: Bytes) -> Result<u64, String> {
        let number = self.number();
        self.send(number, subject, payload).await?;
        Ok(number)
    }

    /// Sends a request, and gives what waits for its answers apart from everything else.
    pub(crate) async fn ask(&self, subject: &str, payload: Bytes) -> Result<Answers, String> {
        let number = self.number();
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        self.heard.lock().waiting.insert(number, sender);
        let answers = Answers { heard: Arc::clone(&self.heard), number, answers };
        self.send(number, subject, payload).await?;
        Ok(answers)
    }

    async fn send(&self, number: u64, subject: &str, payload: Bytes) -> Result<(), String> {
        if let Some(name) = subject.strip_prefix("get.") {
            self.heard.lock().gets.insert(number, name.to_owned());
        }
        self.requests.fetch_add(1, Ordering::AcqRel);
        let sent = self.client.publish_with_reply(subject.to_owned(), format!("{REPLIES}{number}"), payload);
        sent.await.map_err(|error| format!("{subject} could not be sent: {error}"))
    }

    /// Makes an echo, which is in the log after everything that the server has taken until now.
    pub(crate) async fn mark(&self) -> Result<u64, String> {
        let number = self.number();
        let sent = self.client.publish(format!("{REPLIES}echo.{number}"), Bytes::new());
        sent.await.map_err(|error| format!("an echo could not be sent: {error}"))?;
        Ok(number)
    }

    /// The next message, taken out of the log.
    pub(crate) async fn next(&self, patience: Duration) -> Option<Seen> {
        let next = async {
            loop {
                let news = self.heard.news.notified();
                if let Some(seen) = self.heard.lock().log.pop_front() {
                    return seen;
                }
                news.await;
            }
        };
        tokio::time::timeout(patience, next).await.ok()
    }

    /// How many requests have been sent.
    pub(crate) fn requests_sent(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    /// How many messages were given up since this was asked last.
    pub(crate) fn given_up(&self) -> u64 {
        std::mem::take(&mut self.heard.lock().given_up)
    }

    /// The token that the service set for a connection last; `None` if it never did.
    pub(crate) fn token(&self, cid: &str) -> Option<Value> {
        self.heard.lock().tokens.get(cid).cloned()
    }

    /// Whether a get of this resource was answered with an error that may pass.
    pub(crate) fn has_failed(&self, name: &str) -> bool {
        self.heard.lock().failed.contains(name)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// The answers to one request.
pub(crate) struct Answers {
    heard: Arc<Heard>,
    number: u64,
    answers: mpsc::Receiver<Bytes>,
}

impl Answers {
    /// The next answer, pre-responses too.
    pub(crate) async fn next(&mut self, patience: Duration) -> Option<Bytes> {
        tokio::time::timeout(patience, self.answers.recv()).await.ok().flatten()
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.heard.lock().waiting.remove(&self.number);
    }
}

/// Whether this asks for more time, instead of being the answer.
pub(crate) fn is_pre_response(payload: &[u8]) -> bool {
    payload.first().is_some_and(u8::is_ascii_alphabetic)
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, message: Message) {
        let subject = message.subject.as_str();
        let mut state = self.lock();
        let source = if let Some(reply) = subject.strip_prefix(REPLIES) {
            let number = |text: &str| text.parse().unwrap_or_default();
            match reply.strip_prefix("echo.") {
                Some(echo) => Source::Echo(number(echo)),
                None => {
                    let number = number(reply);
                    state.note_get(number, &message.payload);
                    if let Some(waiting) = state.waiting.get(&number) {
                        // More than fit are more than one request can have; the first tell that well enough.
                        let _ = waiting.try_send(message.payload);
                        return;
                    }
                    Source::Answer(number)
                }
            }
        } else if PASSED_OVER.iter().any(|kind| subject.starts_with(kind)) {
            return;
        } else {
            state.note_token(subject, &message.payload);
            Source::Subject(subject.to_owned())
        };
        if state.log.len() >= LOG_MAX {
            state.log.pop_front();
            state.given_up += 1;
        }
        state.log.push_back(Seen { source, payload: message.payload });
        drop(state);
        self.news.notify_waiters();
    }
}

impl State {
    fn note_token(&mut self, subject: &str, payload: &[u8]) {
        let cid = subject.strip_prefix("conn.").and_then(|rest| rest.strip_suffix(".token"));
        if let (Some(cid), Ok(set)) = (cid, serde_json::from_slice::<Value>(payload)) {
            self.tokens.insert(cid.to_owned(), set["token"].clone());
        }
    }

    fn note_get(&mut self, number: u64, payload: &[u8]) {
        if is_pre_response(payload) {
            return;
        }
        let Some(name) = self.gets.remove(&number) else { return };
        let answer: Value = serde_json::from_slice(payload).unwrap_or_default();
        if answer["error"]["code"].as_str().is_some_and(|code| code != "system.notFound") {
            self.failed.insert(name);
        }
    }
}
