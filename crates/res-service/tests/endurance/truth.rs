//! The truth behind the replicas, as a database would be: outside of their processes, told of in notices of its own.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use res_service::BoxError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::load::Random;

/// Notices that a replica may be behind; one that is further behind loses its connection, and ends.
const NOTICES_MAX: usize = 65_536;
/// From reading a state to its arrival, in milliseconds.
const READ_TIME_MAX: u64 = 8;
/// Questions of one replica that are answered at the same time.
const QUESTIONS_MAX: usize = 8;
/// A list has at most so many items.
const ITEMS_MAX: usize = 24;

/// What replicas ask, one line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The state of a resource.
    Read(String),
    /// Adds to a counter, in the name of a call.
    Add { counter: String, call: String, by: u64 },
    /// From here on the name of every changed resource, a line each.
    Notices,
}

/// A handle to the truth.
#[derive(Clone)]
pub(crate) struct Truth {
    state: Arc<Mutex<State>>,
    notices: broadcast::Sender<String>,
    address: SocketAddr,
}

#[derive(Default)]
struct State {
    resources: BTreeMap<String, Value>,
    /// What each call made of its counter, and how often it was carried out.
    calls: HashMap<String, (u64, u32)>,
    changes: u64,
}

/// The names of a service's counters and lists.
pub(crate) fn counter(number: u64) -> String {
    format!("endurance.counter.{number}")
}

pub(crate) fn list(number: u64) -> String {
    format!("endurance.list.{number}")
}

impl Truth {
    pub(crate) async fn start(counters: u64, lists: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let resources = (0..counters)
            .map(|number| (counter(number), model(0)))
            .chain((0..lists).map(|number| (list(number), json!([]))))
            .collect();
        let truth = Self {
            state: Arc::new(Mutex::new(State { resources, ..State::default() })),
            notices: broadcast::Sender::new(NOTICES_MAX),
            address: listener.local_addr().unwrap(),
        };
        let handle = truth.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(handle.clone().serve(stream));
            }
        });
        truth
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().resources.keys().cloned().collect()
    }

    pub(crate) fn read(&self, name: &str) -> Option<Value> {
        self.state.lock().unwrap().resources.get(name).cloned()
    }

    /// What each counter has come to by now; it only grows.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let state = self.state.lock().unwrap();
        let counters = state.resources.iter().filter(|(_, resource)| resource.is_object());
        counters.map(|(name, counter)| (name.clone(), value(counter))).collect()
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> u64 {
        self.state.lock().unwrap().changes
    }

    /// What a call made of its counter, and how often it was carried out.
    pub(crate) fn carried_out(&self, call: &str) -> Option<(u64, u32)> {
        self.state.lock().unwrap().calls.get(call).copied()
    }

    /// Changes a resource past the service, as another program would; `choice` says how.
    pub(crate) fn change(&self, name: &str, choice: u64) {
        let mut state = self.state.lock().unwrap();
        state.changes += 1;
        match state.resources.get_mut(name) {
            Some(Value::Array(items)) => change_list(items, choice),
            Some(counter) => *counter = model(value(counter) + 1 + choice % 3),
            None => panic!("there is no {name}"),
        }
        drop(state);
        let _ = self.notices.send(name.to_owned());
    }

    fn add(&self, counter: String, call: String, by: u64) -> Option<u64> {
        let mut state = self.state.lock().unwrap();
        state.changes += 1;
        let now = value(state.resources.get(&counter)?) + by;
        state.resources.insert(counter.clone(), model(now));
        let done = state.calls.entry(call).or_default();
        *done = (now, done.1 + 1);
        drop(state);
        let _ = self.notices.send(counter);
        Some(now)
    }

    async fn serve(self, stream: TcpStream) -> Result<(), BoxError> {
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut notices = self.notices.subscribe();
        while let Some(line) = lines.next_line().await? {
            let answer = match serde_json::from_str(&line)? {
                Question::Read(name) => {
                    let state = self.read(&name).unwrap_or_default();
                    // Whoever reads knows the state of some time ago.
                    tokio::time::sleep(Duration::from_millis(Random(self.changes()).below(READ_TIME_MAX)))
                        .await;
                    state
                }
                Question::Add { counter, call, by } => json!(self.add(counter, call, by)),
                Question::Notices => {
                    write.write_all(b"null\n").await?;
                    loop {
                        write.write_all(format!("{}\n", notices.recv().await?).as_bytes()).await?;
                    }
                }
            };
            write.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        Ok(())
    }
}

fn model(value: u64) -> Value {
    json!({"value": value, "text": format!("after {value}"), "even": value.is_multiple_of(2)})
}

fn value(model: &Value) -> u64 {
    model["value"].as_u64().unwrap()
}

/// Adds an item somewhere, or removes one: items may be equal to others.
fn change_list(items: &mut Vec<Value>, choice: u64) {
    let place = usize::try_from(choice >> 8).unwrap();
    let full = items.len() >= ITEMS_MAX;
    if full || (choice.is_multiple_of(3) && !items.is_empty()) {
        items.remove(place % items.len());
    } else {
        items.insert(place % (items.len() + 1), json!(choice % 40));
    }
}

/// A replica's connection to the truth.
pub(crate) struct Connection(tokio::sync::Mutex<BufReader<TcpStream>>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, BoxError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(tokio::sync::Mutex::new(BufReader::new(stream))))
    }

    pub(crate) async fn ask(&self, question: &Question) -> Result<Value, BoxError> {
        let line = serde_json::to_string(question)? + "\n";
        let mut stream = self.0.lock().await;
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// The next notice, after [`Question::Notices`]; `None` if the truth has gone.
    pub(crate) async fn notice(&self) -> Option<String> {
        let mut name = String::new();
        let read = self.0.lock().await.read_line(&mut name).await;
        (read.ok()? > 0).then(|| name.trim().to_owned())
    }
}

/// A replica's connections to the truth, used in turn.
pub(crate) struct Connections {
    all: Vec<Connection>,
    next: AtomicUsize,
}

impl Connections {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, BoxError> {
        let mut all = Vec::with_capacity(QUESTIONS_MAX);
        for _ in 0..QUESTIONS_MAX {
            all.push(Connection::open(address).await?);
        }
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    pub(crate) async fn ask(&self, question: &Question) -> Result<Value, BoxError> {
        self.all[self.next.fetch_add(1, Ordering::Relaxed) % QUESTIONS_MAX].ask(question).await
    }
}
