//! A client of the gateway, for tests: it speaks RES over a WebSocket and keeps what it subscribed to as a browser does.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::{Map, Value, json};
use tokio::{
    net::TcpStream,
    sync::{broadcast, oneshot, watch},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderName, http::HeaderValue},
};

use crate::wait_until;

mod cache;
mod edge;

use cache::Cache;
pub use edge::Edge;
use edge::Wire;

const ANSWER_SECONDS_MAX: u64 = 15;
/// Changes a slow reader of [`ResClient::changes`] may fall behind before it loses some (and is told so).
const CHANGES_MAX: usize = 16_384;
const PROTOCOL: &str = "1.2.3";

type Socket = WebSocketStream<Box<dyn Wire>>;

/// What the gateway or a service refused, and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ResError {
    /// Such as `system.notFound` or `tickets.seatTaken`.
    pub code: String,
    /// For people.
    pub message: String,
    /// What else the service said.
    pub data: Option<Value>,
}

impl ResError {
    fn from_value(value: &Value) -> ResError {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_string();
        ResError { code: text("code"), message: text("message"), data: value.get("data").cloned() }
    }

    fn lost(why: &str) -> ResError {
        ResError { code: "client.disconnected".into(), message: why.into(), data: None }
    }
}

/// Something the gateway pushed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The resource.
    pub rid: String,
    /// `change`, `add`, `remove`, `delete`, `unsubscribe`, or a name of the service's own.
    pub name: String,
    /// Its content as it came.
    pub data: Value,
    /// When its frame was read.
    pub at: Instant,
}

/// How to connect.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// The value of the Cookie header.
    pub cookie: Option<String>,
    /// The value of the Origin header: that of a page of the site, when the gateway minds.
    pub origin: Option<String>,
    /// Further headers of the upgrade request.
    pub headers: Vec<(String, String)>,
    /// Where to connect, and whom to trust, when the name in the URL is not known to the system.
    pub edge: Option<Edge>,
}

impl ConnectOptions {
    /// With this Cookie header: `name=value`.
    pub fn cookie(cookie: impl Into<String>) -> ConnectOptions {
        ConnectOptions { cookie: Some(cookie.into()), ..ConnectOptions::default() }
    }
}

/// What a request is for: decides what the reader does with the answer before it takes the next frame.
#[derive(Debug, Clone)]
enum Purpose {
    Plain,
    Subscribe(String),
    Resource,
}

type Waiting = HashMap<u64, (Purpose, oneshot::Sender<Result<Value, ResError>>)>;

#[derive(Debug)]
struct State {
    cache: Mutex<Cache>,
    waiting: Mutex<Waiting>,
    changes: broadcast::Sender<Change>,
    /// Counts every frame taken in, so that waiting for a state of the cache needs no polling.
    frames: watch::Sender<u64>,
}

#[derive(Debug)]
struct Connection {
    sink: tokio::sync::Mutex<SplitSink<Socket, Message>>,
    open: Arc<AtomicBool>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A connection to a gateway with a copy of all it subscribed to.
#[derive(Debug)]
pub struct ResClient {
    url: String,
    options: ConnectOptions,
    next: AtomicU64,
    state: Arc<State>,
    connection: tokio::sync::RwLock<Connection>,
}

impl ResClient {
    /// Connects to a gateway such as `ws://127.0.0.1:8080/` and agrees on the protocol's version.
    pub async fn connect(url: &str) -> anyhow::Result<ResClient> {
        ResClient::connect_with(url, ConnectOptions::default()).await
    }

    /// [`ResClient::connect`] with a cookie, an origin or other headers.
    pub async fn connect_with(url: &str, options: ConnectOptions) -> anyhow::Result<ResClient> {
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        let state = Arc::new(State {
            cache: Mutex::default(),
            waiting: Mutex::default(),
            changes,
            frames: watch::Sender::new(0),
        });
        let connection = open(url, &options, &state).await?;
        let client = ResClient {
            url: url.to_string(),
            options,
            next: AtomicU64::new(1),
            state,
            connection: tokio::sync::RwLock::new(connection),
        };
        client.handshake().await?;
        Ok(client)
    }

    /// Closes the connection if it is open, opens another one and subscribes to all that was subscribed to before.
    pub async fn reconnect(&self) -> anyhow::Result<()> {
        self.close().await;
        let direct = self.lock_cache().forget_resources();
        *self.connection.write().await = open(&self.url, &self.options, &self.state).await?;
        self.handshake().await?;
        for (rid, count) in direct {
            for _ in 0..count {
                self.subscribe(&rid).await.with_context(|| format!("subscribe to {rid} again"))?;
            }
        }
        Ok(())
    }

    /// Closes the connection; what was subscribed to stays readable as it was.
    pub async fn close(&self) {
        let connection = self.connection.read().await;
        let close = async { connection.sink.lock().await.close().await };
        let _ = tokio::time::timeout(Duration::from_secs(1), close).await;
        connection.open.store(false, Ordering::Release);
        connection.reader.abort();
        self.state.lose_all("the connection was closed");
    }

    /// Whether the connection is open as far as is known.
    pub async fn is_connected(&self) -> bool {
        self.connection.read().await.open.load(Ordering::Acquire)
    }

    /// Sends a request as it is and gives its `result`: `subscribe.RID`, `call.RID.METHOD`.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, ResError> {
        self.send(method, params, Purpose::Plain).await
    }

    /// Subscribes to a resource and all it refers to; they stay up to date until it is unsubscribed as often.
    pub async fn subscribe(&self, rid: &str) -> Result<(), ResError> {
        let purpose = Purpose::Subscribe(rid.to_string());
        self.send(&format!("subscribe.{rid}"), Value::Null, purpose).await.map(drop)
    }

    /// Takes one subscription back.
    pub async fn unsubscribe(&self, rid: &str) -> Result<(), ResError> {
        self.send(&format!("unsubscribe.{rid}"), Value::Null, Purpose::Plain).await?;
        self.lock_cache().unsubscribe(rid);
        Ok(())
    }

    /// Fetches a resource once, without keeping it: its set of models and collections as it came.
    pub async fn get(&self, rid: &str) -> Result<Value, ResError> {
        self.request(&format!("get.{rid}"), Value::Null).await
    }

    /// Calls a method and gives what it answered.
    pub async fn call(&self, rid: &str, method: &str, params: Value) -> Result<Value, ResError> {
        let result = self.send(&format!("call.{rid}.{method}"), params, Purpose::Resource).await?;
        Ok(result.get("payload").cloned().unwrap_or(result))
    }

    /// Calls a method that answers with a resource, to which this client is subscribed from then on. Gives its id.
    pub async fn call_for_resource(
        &self,
        rid: &str,
        method: &str,
        params: Value,
    ) -> Result<String, ResError> {
        let result = self.send(&format!("call.{rid}.{method}"), params, Purpose::Resource).await?;
        match result["rid"].as_str() {
            Some(rid) => Ok(rid.to_string()),
            None => Err(ResError {
                code: "client.noResource".into(),
                message: format!("the answer names no resource: {result}"),
                data: None,
            }),
        }
    }

    /// Calls an authentication method and gives what it answered.
    pub async fn auth(&self, rid: &str, method: &str, params: Value) -> Result<Value, ResError> {
        let result = self.send(&format!("auth.{rid}.{method}"), params, Purpose::Resource).await?;
        Ok(result.get("payload").cloned().unwrap_or(result))
    }

    /// A model as it is now; data values are unwrapped, references stay `{"rid": ...}`.
    pub fn model(&self, rid: &str) -> Option<Map<String, Value>> {
        self.lock_cache().models.get(rid).cloned()
    }

    /// A collection as it is now.
    pub fn collection(&self, rid: &str) -> Option<Vec<Value>> {
        self.lock_cache().collections.get(rid).cloned()
    }

    /// The ids a collection of references names, in order.
    pub fn references(&self, rid: &str) -> Option<Vec<String>> {
        let items = self.collection(rid)?;
        Some(items.iter().filter_map(|item| item["rid"].as_str().map(str::to_string)).collect())
    }

    /// Why a resource could not be had although something refers to it.
    pub fn error(&self, rid: &str) -> Option<ResError> {
        self.lock_cache().errors.get(rid).map(ResError::from_value)
    }

    /// Why the gateway took a subscription back.
    pub fn unsubscribed(&self, rid: &str) -> Option<ResError> {
        self.lock_cache().unsubscribed.get(rid).map(ResError::from_value)
    }

    /// What came that the protocol does not allow, such as a collection's index that is not there. A correct service
    /// leaves this empty.
    pub fn violations(&self) -> Vec<String> {
        self.lock_cache().violations.clone()
    }

    /// All that is pushed from now on, in order.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.state.changes.subscribe()
    }

    /// Waits until a model is as `is_so` wants it, and gives it.
    ///
    /// # Panics
    /// When that takes longer than `deadline`: with `what` and the model as it was last.
    pub async fn wait_for_model(
        &self,
        rid: &str,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(&Map<String, Value>) -> bool,
    ) -> Map<String, Value> {
        let seen = || {
            let model = self.model(rid);
            let good = model.clone().filter(|model| is_so(model));
            good.ok_or_else(|| {
                model.map_or(format!("no model {rid}"), |model| Value::from(model).to_string())
            })
        };
        let mut frames = self.state.frames.subscribe();
        wait_until(what, deadline, || {
            let now = seen();
            let frame = frames.borrow_and_update().to_owned();
            let mut frames = frames.clone();
            async move {
                if now.is_err() {
                    let next = frames.wait_for(|number| *number != frame);
                    let _ = tokio::time::timeout(Duration::from_millis(50), next).await;
                }
                now
            }
        })
        .await
    }

    async fn handshake(&self) -> anyhow::Result<()> {
        let answer = self.request("version", json!({ "protocol": PROTOCOL })).await?;
        if answer["protocol"].as_str().is_none() {
            bail!("{} answered the version request with {answer}", self.url);
        }
        Ok(())
    }

    async fn send(&self, method: &str, params: Value, purpose: Purpose) -> Result<Value, ResError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let connection = self.connection.read().await;
        {
            let mut waiting = self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !connection.open.load(Ordering::Acquire) {
                return Err(ResError::lost("there is no connection"));
            }
            waiting.insert(id, (purpose, sender));
        }
        let request = match params {
            Value::Null => json!({ "id": id, "method": method }),
            params => json!({ "id": id, "method": method, "params": params }),
        };
        let sent = connection.sink.lock().await.send(Message::text(request.to_string())).await;
        drop(connection);
        if let Err(error) = sent {
            self.state.forget(id);
            return Err(ResError::lost(&error.to_string()));
        }
        match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ResError::lost("the connection was lost before the answer came")),
            Err(_) => {
                self.state.forget(id);
                Err(ResError {
                    code: "client.noAnswer".into(),
                    message: format!("{method} was not answered within {ANSWER_SECONDS_MAX} seconds"),
                    data: None,
                })
            }
        }
    }

    fn lock_cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.state.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn open(url: &str, options: &ConnectOptions, state: &Arc<State>) -> anyhow::Result<Connection> {
    let mut request = url.into_client_request().with_context(|| format!("{url} is no WebSocket address"))?;
    let cookie = options.cookie.iter().map(|value| ("cookie".to_string(), value.clone()));
    let origin = options.origin.iter().map(|value| ("origin".to_string(), value.clone()));
    for (name, value) in cookie.chain(origin).chain(options.headers.iter().cloned()) {
        request.headers_mut().insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let connecting = async {
        let name = request.uri().host().unwrap_or_default().to_string();
        let wire: Box<dyn Wire> = match &options.edge {
            Some(edge) => Box::new(edge.connect(&name).await?),
            None => {
                let stream =
                    TcpStream::connect((name.as_str(), request.uri().port_u16().unwrap_or(80))).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        };
        anyhow::Ok(tokio_tungstenite::client_async(request, wire).await?)
    };
    let (socket, _) = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), connecting)
        .await
        .with_context(|| format!("{url} did not answer"))?
        .with_context(|| format!("connect to {url}"))?;
    let (sink, mut stream) = socket.split();
    let open = Arc::new(AtomicBool::new(true));
    let (still_open, state) = (Arc::clone(&open), Arc::clone(state));
    let reader = tokio::spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Text(text) = message {
                state.take(&text);
            }
        }
        still_open.store(false, Ordering::Release);
        state.lose_all("the gateway closed the connection");
    });
    Ok(Connection { sink: tokio::sync::Mutex::new(sink), open, reader })
}

impl State {
    /// Takes in one frame: applied to the cache before the next one is read, as the protocol's order demands.
    fn take(&self, text: &str) {
        let at = Instant::now();
        let mut frame: Value = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
                cache.violations.push(format!("no JSON ({error}): {text}"));
                return;
            }
        };
        if let Some(event) = frame["event"].as_str().map(str::to_string) {
            let (rid, name) = event.rsplit_once('.').unwrap_or((&event, ""));
            let data = frame["data"].take();
            self.cache.lock().unwrap_or_else(PoisonError::into_inner).apply(rid, name, &data);
            let change = Change { rid: rid.to_string(), name: name.to_string(), data, at };
            // Nobody may be listening.
            let _ = self.changes.send(change);
        } else if let Some(id) = frame["id"].as_u64() {
            self.answer(id, frame);
        }
        self.frames.send_modify(|number| *number += 1);
    }

    fn answer(&self, id: u64, mut frame: Value) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let Some((purpose, sender)) = waiting else { return };
        let result = match frame.get("error") {
            Some(error) if !error.is_null() => Err(ResError::from_value(error)),
            _ => Ok(frame["result"].take()),
        };
        if let Ok(result) = &result {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let direct = match &purpose {
                Purpose::Plain => None,
                Purpose::Subscribe(rid) => Some(rid.as_str()),
                Purpose::Resource => result["rid"].as_str(),
            };
            if let Some(rid) = direct {
                cache.subscribe(rid, result);
            }
        }
        // Who asked may have given up.
        let _ = sender.send(result);
    }

    fn forget(&self, id: u64) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn lose_all(&self, why: &str) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, sender) in waiting.into_values() {
            let _ = sender.send(Err(ResError::lost(why)));
        }
    }
}
