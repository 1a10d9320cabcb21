//! A gateway: its cache on a simulated connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Message, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::cache::{Answer, Cache, NotFound};
use super::network::{Network, SimulatedConnection};

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) connection: SimulatedConnection,
    cache: Arc<Mutex<Cache>>,
    asked: Arc<Notify>,
    task: Arc<Mutex<Option<AbortHandle>>>,
}

impl Gateway {
    pub(crate) fn start(network: &Network, name: &str) -> Self {
        let connection = network.connect();
        let messages =
            connection.subscribe_together(&["event.>", "system.reset", &format!("_GATEWAY.{name}.>")]);
        let cache = Arc::new(Mutex::new(Cache::new(&format!("_GATEWAY.{name}"))));
        let gateway = Self { connection, cache, asked: Arc::default(), task: Arc::default() };
        let task = tokio::spawn(gateway.clone().run(messages)).abort_handle();
        *gateway.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        gateway
    }

    /// The gateway has gone, with its cache.
    pub(crate) fn end(&self) {
        self.connection.end();
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    pub(crate) fn subscribe(&self, resource_id: &str) {
        self.cache().subscribe(resource_id);
        self.asked.notify_one();
    }

    pub(crate) fn forget(&self, resource_id: &str) {
        self.cache().forget(resource_id);
    }

    pub(crate) fn snapshot(&self) -> Option<BTreeMap<String, Value>> {
        self.cache().snapshot()
    }

    /// What the service has said to be not found since this was asked last.
    pub(crate) fn not_found(&self) -> Vec<NotFound> {
        self.cache().not_found()
    }

    async fn run(self, mut messages: mpsc::Receiver<Message>) {
        loop {
            let next = self.cache().time_out(Instant::now());
            for request in self.cache().outgoing() {
                let (subject, reply) = (request.subject.into(), Some(request.reply.into()));
                self.connection.publish(subject, reply, None, Bytes::from(request.payload));
            }
            let deadline = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                message = messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = self.asked.notified() => {}
                () = deadline => {}
            }
        }
    }

    fn take(&self, message: Message) {
        let answer = match message.status {
            Some(StatusCode::NO_RESPONDERS) => Answer::NoResponders,
            _ => Answer::Payload(message.payload.to_vec()),
        };
        self.cache().message(&message.subject, answer);
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
