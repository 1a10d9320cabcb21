//! The cache of a gateway, with everything that makes it lose changes: it drops those that come before the first
//! answer, and both changes and resets while it is asking again; it applies all others blindly.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use async_nats::{Client, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// How long the gateway waits for an answer.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) enum Command {
    /// A client subscribes: ask for the resource unless it is there.
    Subscribe(String),
    /// The last client has gone for long enough.
    Drop(String),
    /// What is cached of resources on which nothing is under way; `None` if something is.
    Snapshot(oneshot::Sender<Option<BTreeMap<String, Value>>>),
    /// How often a resource vanished because of a `notFound` while it was being refreshed.
    Deletions(oneshot::Sender<usize>),
}

/// A handle to a running gateway.
#[derive(Clone)]
pub(crate) struct Gateway(mpsc::Sender<Command>);

enum Cached {
    /// The first get is under way, and perhaps a second one that a reset has started.
    Asking {
        first: Get,
        second: Option<Get>,
    },
    Value {
        value: Value,
        asking_again: Option<Get>,
    },
}

struct Get {
    reply: String,
    deadline: Instant,
}

struct State {
    client: Client,
    name: String,
    requests: u64,
    cache: HashMap<String, Cached>,
    deletions: usize,
}

impl Gateway {
    pub(crate) async fn start(client: Client, name: &str) -> Self {
        let everything = client.subscribe(">").await.unwrap();
        crate::world::round_trip(&client).await;
        let (sender, commands) = mpsc::channel(1024);
        let state = State { client, name: name.to_owned(), requests: 0, cache: HashMap::new(), deletions: 0 };
        tokio::spawn(state.run(everything, commands));
        Self(sender)
    }

    pub(crate) fn subscribe(&self, name: &str) {
        self.0.try_send(Command::Subscribe(name.to_owned())).unwrap();
    }

    pub(crate) fn drop_resource(&self, name: &str) {
        self.0.try_send(Command::Drop(name.to_owned())).unwrap();
    }

    pub(crate) async fn snapshot(&self) -> Option<BTreeMap<String, Value>> {
        let (sender, receiver) = oneshot::channel();
        self.0.try_send(Command::Snapshot(sender)).unwrap();
        receiver.await.unwrap()
    }

    pub(crate) async fn deletions(&self) -> usize {
        let (sender, receiver) = oneshot::channel();
        self.0.try_send(Command::Deletions(sender)).unwrap();
        receiver.await.unwrap()
    }
}

impl State {
    async fn run(mut self, mut everything: Subscriber, mut commands: mpsc::Receiver<Command>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                message = everything.next() => match message {
                    Some(message) => self.message(message).await,
                    None => return,
                },
                command = commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => return,
                },
                _ = ticks.tick() => self.time_out(),
            }
        }
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Subscribe(name) => {
                if !self.cache.contains_key(&name) {
                    let first = self.get(&name).await;
                    self.cache.insert(name, Cached::Asking { first, second: None });
                }
            }
            Command::Drop(name) => drop(self.cache.remove(&name)),
            Command::Snapshot(sender) => drop(sender.send(self.snapshot())),
            Command::Deletions(sender) => drop(sender.send(self.deletions)),
        }
    }

    fn snapshot(&self) -> Option<BTreeMap<String, Value>> {
        let at_rest = |(name, cached): (&String, &Cached)| match cached {
            Cached::Value { value, asking_again: None } => Some((name.clone(), value.clone())),
            _ => None,
        };
        self.cache.iter().map(at_rest).collect()
    }

    async fn get(&mut self, name: &str) -> Get {
        self.requests += 1;
        let reply = format!("{}.{}", self.name, self.requests);
        self.client.publish_with_reply(format!("get.{name}"), reply.clone(), Bytes::new()).await.unwrap();
        Get { reply, deadline: Instant::now() + REQUEST_TIMEOUT }
    }

    async fn message(&mut self, message: Message) {
        let subject = message.subject.as_str();
        if subject == "system.reset" {
            self.reset(&serde_json::from_slice(&message.payload).expect("a reset is JSON")).await;
        } else if let Some(rest) = subject.strip_prefix("event.") {
            let (name, change) = rest.rsplit_once('.').unwrap();
            self.change(name, change, &message.payload);
        } else if subject.starts_with(&self.name) {
            self.answer(&message);
        }
    }

    fn change(&mut self, name: &str, change: &str, payload: &[u8]) {
        let Some(Cached::Value { value, asking_again: None }) = self.cache.get_mut(name) else { return };
        let payload: Value = serde_json::from_slice(payload).unwrap_or_default();
        let index = || payload["idx"].as_u64().map(|index| usize::try_from(index).unwrap());
        match (change, value) {
            ("change", Value::Object(properties)) => {
                for (key, value) in payload["values"].as_object().expect("a change has values") {
                    if value["action"] == "delete" {
                        properties.remove(key);
                    } else {
                        properties.insert(key.clone(), value.clone());
                    }
                }
            }
            // Out of bounds is what a gateway logs and drops.
            ("add", Value::Array(items)) => {
                if let Some(index) = index().filter(|index| *index <= items.len()) {
                    items.insert(index, payload["value"].clone());
                }
            }
            ("remove", Value::Array(items)) => {
                if let Some(index) = index().filter(|index| *index < items.len()) {
                    items.remove(index);
                }
            }
            ("delete", _) => drop(self.cache.remove(name)),
            other => panic!("{name} got {other:?}"),
        }
    }

    async fn reset(&mut self, reset: &Value) {
        let patterns: Vec<&str> =
            reset["resources"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let names: Vec<String> = self
            .cache
            .keys()
            .filter(|name| patterns.iter().any(|pattern| matches(pattern, name)))
            .cloned()
            .collect();
        for name in names {
            let again = self.get(&name).await;
            match self.cache.get_mut(&name) {
                Some(Cached::Asking { second: second @ None, .. }) => *second = Some(again),
                Some(Cached::Value { asking_again: asking @ None, .. }) => *asking = Some(again),
                // A reset of what is being refreshed is passed over (the get just sent is one more that nobody reads).
                _ => {}
            }
        }
    }

    fn answer(&mut self, message: &Message) {
        let reply = message.subject.as_str();
        let is_it = |get: &Option<Get>| get.as_ref().is_some_and(|get| get.reply == reply);
        let found = self.cache.iter_mut().find(|(_, cached)| match cached {
            Cached::Asking { first, second } => first.reply == reply || is_it(second),
            Cached::Value { asking_again, .. } => is_it(asking_again),
        });
        let Some((name, cached)) = found.map(|(name, cached)| (name.clone(), cached)) else { return };
        if message.payload.first().is_some_and(u8::is_ascii_alphabetic) {
            let deadline = Instant::now() + Duration::from_secs(10);
            match cached {
                Cached::Asking { first, .. } if first.reply == reply => first.deadline = deadline,
                Cached::Asking { second: Some(get), .. } | Cached::Value { asking_again: Some(get), .. } => {
                    get.deadline = deadline
                }
                _ => {}
            }
            return;
        }
        let answer: Value = if message.status == Some(StatusCode::NO_RESPONDERS) {
            serde_json::json!({"error": {"code": "system.notFound"}})
        } else {
            serde_json::from_slice(&message.payload).expect("an answer is JSON")
        };
        let value = answer["result"].get("model").or_else(|| answer["result"].get("collection")).cloned();
        match (cached, value) {
            (Cached::Asking { first, second }, Some(value)) if first.reply == reply => {
                let asking_again = second.take();
                self.cache.insert(name, Cached::Value { value, asking_again });
            }
            (Cached::Asking { first, .. }, None) if first.reply == reply => drop(self.cache.remove(&name)),
            // The second answer came before the first: the older one wins.
            (Cached::Asking { second, .. }, _) => *second = None,
            (cached @ Cached::Value { .. }, Some(value)) => {
                *cached = Cached::Value { value, asking_again: None }
            }
            (Cached::Value { .. }, None) if answer["error"]["code"] == "system.notFound" => {
                self.deletions += 1;
                self.cache.remove(&name);
            }
            (Cached::Value { asking_again, .. }, None) => *asking_again = None,
        }
    }

    fn time_out(&mut self) {
        let now = Instant::now();
        self.cache.retain(|_, cached| match cached {
            Cached::Asking { first, .. } => first.deadline > now,
            Cached::Value { asking_again, .. } => {
                if asking_again.as_ref().is_some_and(|get| get.deadline <= now) {
                    *asking_again = None;
                }
                true
            }
        });
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = name.split('.');
    for wanted in pattern.split('.') {
        match (wanted, parts.next()) {
            (">", Some(_)) => return true,
            (_, None) => return false,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}
