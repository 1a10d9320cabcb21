//! The DevTools protocol: commands with answers over one WebSocket, one session per tab.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

const ANSWER_SECONDS_MAX: u64 = 60;
const COMMANDS_WAITING_MAX: usize = 256;
const COMPLAINTS_MAX: usize = 1000;

#[derive(Debug, Default)]
struct State {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    complaints: Mutex<HashMap<String, Vec<String>>>,
}

/// The connection to a browser.
#[derive(Debug)]
pub(super) struct Connection {
    commands: mpsc::Sender<String>,
    state: Arc<State>,
}

impl Connection {
    pub(super) async fn open(url: &str) -> anyhow::Result<Connection> {
        // A screenshot is one message.
        let config =
            WebSocketConfig::default().max_message_size(Some(256 << 20)).max_frame_size(Some(256 << 20));
        let (socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), true)
            .await
            .with_context(|| format!("connect to the browser at {url}"))?;
        let (mut sink, mut stream) = socket.split();
        let (commands, mut queue) = mpsc::channel::<String>(COMMANDS_WAITING_MAX);
        let state = Arc::new(State::default());
        tokio::spawn(async move {
            while let Some(command) = queue.recv().await {
                if sink.send(Message::text(command)).await.is_err() {
                    return;
                }
            }
        });
        let reader = Arc::clone(&state);
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Text(text) = message {
                    reader.take(serde_json::from_str(&text).unwrap_or_default());
                }
            }
            // Who still waits gets no answer any more.
            reader.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Connection { commands, state })
    }

    /// The browser as a whole.
    pub(super) fn browser(&self) -> Session {
        self.session("")
    }

    /// One tab.
    pub(super) fn session(&self, id: &str) -> Session {
        Session { id: id.to_string(), commands: self.commands.clone(), state: Arc::clone(&self.state) }
    }
}

/// A way to one tab.
#[derive(Debug, Clone)]
pub(super) struct Session {
    id: String,
    commands: mpsc::Sender<String>,
    state: Arc<State>,
}

impl Session {
    pub(super) async fn command(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.state.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = oneshot::channel();
        self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let mut command = json!({ "id": id, "method": method, "params": params });
        if !self.id.is_empty() {
            command["sessionId"] = self.id.as_str().into();
        }
        self.commands.send(command.to_string()).await.context("the browser is gone")?;
        let mut answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), answer)
            .await
            .with_context(|| format!("the browser did not answer {method}"))?
            .context("the browser is gone")?;
        match answer.get("error") {
            Some(error) => bail!("the browser refused {method}: {}", error["message"]),
            None => Ok(answer["result"].take()),
        }
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        let complaints = self.state.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        complaints.get(&self.id).cloned().unwrap_or_default()
    }
}

impl State {
    fn take(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            // Who asked may have given up.
            let _ = waiting.map(|sender| sender.send(message));
            return;
        }
        let params = &message["params"];
        let complaint = match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                details["exception"]["description"].as_str().or(details["text"].as_str()).map(str::to_string)
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                let words = params["args"].as_array().into_iter().flatten();
                let word = |value: &Value| match value["value"].as_str().or(value["description"].as_str()) {
                    Some(text) => text.to_string(),
                    None => value["value"].to_string(),
                };
                Some(words.map(word).collect::<Vec<_>>().join(" "))
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                let entry = &params["entry"];
                let text = |name: &str| entry[name].as_str().unwrap_or_default();
                Some(format!("{} {}", text("text"), text("url")))
            }
            _ => None,
        };
        if let Some(complaint) = complaint {
            let session = message["sessionId"].as_str().unwrap_or_default().to_string();
            let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
            let complaints = complaints.entry(session).or_default();
            if complaints.len() < COMPLAINTS_MAX {
                complaints.push(complaint);
            }
        }
    }
}
