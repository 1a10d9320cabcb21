//! A client of a gateway, over a WebSocket: it connects again when the gateway goes away, and subscribes again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::nats::PATIENCE;
use crate::view::View;

/// Pause before a refused subscription or connection is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Requests that may wait to be sent.
const REQUESTS_MAX: usize = 1024;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection broke, or there was none.
    Lost,
    /// The code and message of an error.
    Refused { code: String, message: String },
}

struct Request {
    method: String,
    params: Value,
    answer: oneshot::Sender<Result<Value, Failure>>,
}

enum Waiting {
    Version,
    Subscribe(String),
    Request(oneshot::Sender<Result<Value, Failure>>),
}

/// A client that runs until it is dropped.
pub(crate) struct Client {
    view: Arc<Mutex<View>>,
    requests: mpsc::Sender<Request>,
    task: AbortHandle,
}

/// Opens a connection to `127.0.0.1:PORT`.
pub(crate) async fn connect(address: &str) -> Result<Socket, String> {
    let connected = tokio_tungstenite::connect_async(format!("ws://{address}/"));
    match timeout(PATIENCE, connected).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {PATIENCE:?}")),
    }
}

pub(crate) fn message(id: u64, method: &str, params: &Value) -> Message {
    Message::text(json!({"id": id, "method": method, "params": params}).to_string())
}

/// The first request of every connection.
pub(crate) fn version(id: u64) -> Message {
    message(id, "version", &json!({"protocol": "1.2.3"}))
}

impl Client {
    /// A client of the gateway at `127.0.0.1:PORT` that watches these resources.
    pub(crate) fn start(address: &str, watched: Vec<String>) -> Self {
        let view: Arc<Mutex<View>> = Arc::default();
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let run = run(address.to_owned(), watched, Arc::clone(&view), receiver);
        Self { view, requests, task: tokio::spawn(run).abort_handle() }
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap()
    }

    /// Calls a method; `method` is the name of the resource and of the method. Gives the payload.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        self.request(format!("call.{method}"), params).await.map(|mut result| result["payload"].take())
    }

    /// Gets a resource once.
    pub(crate) async fn get(&self, name: &str) -> Result<Value, Failure> {
        let result = self.request(format!("get.{name}"), Value::Null).await;
        result.map(|mut result| result["models"][name].take())
    }

    async fn request(&self, method: String, params: Value) -> Result<Value, Failure> {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(Request { method: method.clone(), params, answer }).await.is_err() {
            return Err(Failure::Lost);
        }
        // The gateway itself gives up long before, unless it is asked for patience.
        let answered = timeout(4 * PATIENCE, answered).await;
        answered.unwrap_or_else(|_| panic!("{method} was not answered")).unwrap_or(Err(Failure::Lost))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    address: String,
    watched: Vec<String>,
    view: Arc<Mutex<View>>,
    mut requests: mpsc::Receiver<Request>,
) {
    loop {
        if let Ok(socket) = connect(&address).await {
            view.lock().unwrap().connections += 1;
            let connection = Connection {
                socket,
                view: &view,
                waiting: HashMap::new(),
                wanted: watched.iter().cloned().collect(),
                last: 0,
            };
            if connection.serve(&mut requests).await.is_none() {
                return;
            }
            view.lock().unwrap().resources.clear();
        }
        // Whoever asks while there is no connection is not kept waiting.
        while let Ok(request) = requests.try_recv() {
            let _ = request.answer.send(Err(Failure::Lost));
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

struct Connection<'a> {
    socket: Socket,
    view: &'a Mutex<View>,
    waiting: HashMap<u64, Waiting>,
    /// What is to be subscribed to.
    wanted: BTreeSet<String>,
    last: u64,
}

impl Connection<'_> {
    /// Serves until the connection breaks; `None` says that nobody has this client any more.
    async fn serve(mut self, requests: &mut mpsc::Receiver<Request>) -> Option<()> {
        self.waiting.insert(0, Waiting::Version);
        if self.socket.send(version(0)).await.is_err() {
            return Some(());
        }
        let mut again = tokio::time::interval(AGAIN_AFTER);
        loop {
            let sent = tokio::select! {
                frame = self.socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => { self.take(&serde_json::from_str(&text).unwrap()); true }
                    Some(Ok(_)) => true,
                    Some(Err(_)) | None => return Some(()),
                },
                request = requests.recv() => {
                    let Request { method, params, answer } = request?;
                    self.send(&method, &params, Waiting::Request(answer)).await
                }
                _ = again.tick(), if !self.wanted.is_empty() => {
                    let mut sent = true;
                    for name in std::mem::take(&mut self.wanted) {
                        sent &= self.send(&format!("subscribe.{name}"), &Value::Null, Waiting::Subscribe(name)).await;
                    }
                    sent
                }
            };
            if !sent {
                return Some(());
            }
        }
    }

    async fn send(&mut self, method: &str, params: &Value, waiting: Waiting) -> bool {
        self.last += 1;
        self.waiting.insert(self.last, waiting);
        self.socket.send(message(self.last, method, params)).await.is_ok()
    }

    fn take(&mut self, frame: &Value) {
        let mut view = self.view.lock().unwrap();
        if let Some(event) = frame["event"].as_str() {
            self.wanted.extend(view.push(event, &frame["data"]));
            return;
        }
        let outcome = outcome(frame);
        match frame["id"].as_u64().and_then(|id| self.waiting.remove(&id)) {
            Some(Waiting::Request(answer)) => drop(answer.send(outcome)),
            Some(Waiting::Subscribe(name)) => match outcome {
                Ok(set) => view.add(&set),
                Err(Failure::Refused { code, .. }) => {
                    *view.refusals.entry(code).or_default() += 1;
                    self.wanted.insert(name);
                }
                Err(Failure::Lost) => {}
            },
            Some(Waiting::Version) => assert!(outcome.is_ok(), "{frame}"),
            None => view.violations.push(format!("an answer that nobody asked for: {frame}")),
        }
    }
}

/// What an answer says.
pub(crate) fn outcome(frame: &Value) -> Result<Value, Failure> {
    let text = |name: &str| frame["error"][name].as_str().unwrap_or_default().to_owned();
    match frame.get("error") {
        Some(_) => Err(Failure::Refused { code: text("code"), message: text("message") }),
        None => Ok(frame["result"].clone()),
    }
}
