//! Services written as one would at first, without this library: several replicas, no owner. They guard the simulation,
//! as each of them must go wrong in it, in the way that is known of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::gateway::Gateway;
use super::network::{Network, SimulatedConnection};
use super::random::Random;

const REPLICAS: usize = 3;
const RESOURCES: u64 = 4;
const WRITES: u64 = 12;
/// What reading takes at most, before and after the moment at which it sees the rows.
const READ_MILLISECONDS: u64 = 30;
/// By then every request has ended and every message has arrived.
const QUIET: Duration = Duration::from_secs(10);

/// Who answers gets, and how changes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Design {
    /// Any replica answers, and the one that wrote publishes.
    CommitterPublishes,
    /// Any replica answers; one process publishes all changes in the order of the writes.
    OrderedRelay,
    /// Like [`Design::OrderedRelay`]; after an answer the replica looks whether the row has changed meanwhile, and if so
    /// makes the gateways ask again.
    RelayWithFence,
    /// Any replica answers; each write is told by a reset of the resource.
    ResetInsteadOfChange,
    /// Any replica answers; each write is told by a query change, which any replica answers with the whole state.
    QuerySnapshots,
}

/// What the resources are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Model,
    List,
}

#[derive(Clone)]
struct Naive {
    design: Design,
    shape: Shape,
    random: Random,
    rows: Arc<Mutex<BTreeMap<String, (u64, Value)>>>,
    relay: mpsc::Sender<(String, Value)>,
}

/// Runs a history; the error says how many resources the gateway shows wrong in the end.
pub(crate) async fn run(random: Random, design: Design, shape: Shape) -> Result<u64, usize> {
    let network = Network::start(&random);
    let (relay, changes) = mpsc::channel(1024);
    let naive = Naive { design, shape, random: random.clone(), rows: Arc::default(), relay };
    for number in 0..RESOURCES {
        let empty = if shape == Shape::Model { json!({"version": 0}) } else { json!([]) };
        naive.rows().insert(name(number), (0, empty));
    }
    let replicas: Vec<SimulatedConnection> = (0..REPLICAS).map(|_| network.connect()).collect();
    for replica in &replicas {
        for subject in ["get.naive.>", "_QUERY.naive.>"] {
            tokio::spawn(naive.clone().answer(replica.clone(), subject));
        }
    }
    tokio::spawn(publish_in_order(network.connect(), random.clone(), changes));
    let gateway = Gateway::start(&network, "gateway");
    random.pause(20).await;
    // What goes wrong with the last change shows longest, so many come to look late.
    let visited_at =
        WRITES * RESOURCES - 1 - random.below(WRITES * RESOURCES).min(random.below(WRITES * RESOURCES));
    for write in 0..WRITES * RESOURCES {
        let number = random.below(RESOURCES);
        if write == visited_at {
            (0..RESOURCES).for_each(|number| gateway.subscribe(&naive.resource_id(number)));
        }
        let change = naive.write(&name(number));
        let replica = replicas[random.index(REPLICAS)].clone();
        let naive = naive.clone();
        tokio::spawn(async move { naive.tell(&replica, name(number), change).await });
        random.pause(10).await;
    }
    tokio::time::sleep(QUIET).await;
    let shown = gateway.snapshot().expect("nothing is under way any more");
    let rows = naive.rows();
    let wrong = (0..RESOURCES)
        .filter(|number| shown.get(&naive.resource_id(*number)) != Some(&rows[&name(*number)].1));
    match wrong.count() {
        0 => Ok(network.fingerprint()),
        wrong => Err(wrong),
    }
}

fn name(number: u64) -> String {
    format!("naive.{number}")
}

/// The relay: one connection, the order of the writes.
async fn publish_in_order(
    connection: SimulatedConnection,
    random: Random,
    mut changes: mpsc::Receiver<(String, Value)>,
) {
    while let Some((subject, payload)) = changes.recv().await {
        random.pause(4).await;
        publish(&connection, subject, &payload);
    }
}

fn publish(connection: &SimulatedConnection, subject: String, payload: &Value) {
    connection.publish(subject.into(), None, None, Bytes::from(payload.to_string()));
}

impl Naive {
    fn resource_id(&self, number: u64) -> String {
        let query = if self.design == Design::QuerySnapshots { "?all" } else { "" };
        format!("{}{query}", name(number))
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, (u64, Value)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, name: &str) -> (u64, Value) {
        self.rows()[name].clone()
    }

    /// Writes, and gives the change as a gateway would hear of it.
    fn write(&self, name: &str) -> (String, Value) {
        let mut rows = self.rows();
        let Some((version, row)) = rows.get_mut(name) else { return Default::default() };
        *version += 1;
        match row {
            Value::Array(items) if !items.is_empty() && self.random.is_one_in(3) => {
                let at = self.random.index(items.len());
                items.remove(at);
                (format!("event.{name}.remove"), json!({"idx": at}))
            }
            Value::Array(items) => {
                let at = self.random.index(items.len() + 1);
                items.insert(at, json!(version));
                (format!("event.{name}.add"), json!({"value": version, "idx": at}))
            }
            model => {
                // Properties that are seldom written keep what went wrong with them.
                let property = format!("seat{}", self.random.below(12));
                model[&property] = json!(version);
                (format!("event.{name}.change"), json!({"values": {property: version}}))
            }
        }
    }

    async fn tell(&self, replica: &SimulatedConnection, name: String, change: (String, Value)) {
        match self.design {
            Design::CommitterPublishes => {
                self.random.pause(10).await;
                publish(replica, change.0, &change.1);
            }
            Design::OrderedRelay | Design::RelayWithFence => drop(self.relay.send(change).await),
            Design::ResetInsteadOfChange => {
                publish(replica, "system.reset".to_owned(), &json!({"resources": [name]}));
            }
            Design::QuerySnapshots => {
                let subject = format!("_QUERY.{name}");
                publish(replica, format!("event.{name}.query"), &json!({"subject": subject}));
            }
        }
    }

    async fn answer(self, connection: SimulatedConnection, subject: &'static str) {
        let mut requests = connection.subscribe(subject, Some("naive".to_owned()));
        while let Some(request) = requests.next().await {
            let (naive, connection) = (self.clone(), connection.clone());
            tokio::spawn(async move { naive.respond(&connection, request).await });
        }
    }

    async fn respond(&self, connection: &SimulatedConnection, request: Message) {
        let Some((_, name)) = request.subject.split_once('.') else { return };
        self.random.pause(READ_MILLISECONDS).await;
        let (version, row) = self.row(name);
        self.random.pause(READ_MILLISECONDS).await;
        let kind = if self.shape == Shape::Model { "model" } else { "collection" };
        let mut answer = json!({"result": {kind: row}});
        if self.design == Design::QuerySnapshots && request.subject.starts_with("get.") {
            answer["result"]["query"] = json!("all");
        }
        let Some(reply) = request.reply else { return };
        connection.publish(reply, None, None, Bytes::from(answer.to_string()));
        if self.design == Design::RelayWithFence {
            let inbox = connection.new_inbox();
            let mut echo = connection.subscribe(&inbox, None);
            connection.publish(inbox.into(), None, None, Bytes::new());
            echo.next().await;
            if self.row(name).0 != version {
                publish(connection, "system.reset".to_owned(), &json!({"resources": [name]}));
            }
        }
    }
}
