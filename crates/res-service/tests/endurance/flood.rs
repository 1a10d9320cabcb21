//! A client that asks as fast as it can and reads no answer, and others that want to be served meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client as Nats;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Failure, Socket, connect, message, outcome, version};
use crate::gateway::Gateway;
use crate::nats::Broker;
use crate::process::Replica;
use crate::service::{Configuration, WORK_TIME};

/// Calls of the flood through a gateway, and as many past it.
const CALLS: u64 = 25_000;
/// A gateway that is behind by more messages than its buffer takes ends itself; 8,192 are usual. Each call has two answers.
const GATEWAY_BUFFER: u64 = 3 * CALLS;
/// Calls in work at the same time: far fewer than come.
const QUEUE_CAPACITY: usize = 64;
const FLOOD_TIME_MAX: Duration = Duration::from_secs(60);
/// A request of another client is answered within this (a gateway gives up after 3 s), or on a machine so slow that the
/// flood takes longer than twice that, within half of the flood.
const OTHERS_TIME_MAX: Duration = Duration::from_millis(3500);
/// What the flood may add to the memory of the service, in KiB.
const GROWTH_MAX: u64 = 96 * 1024;

/// How often each answer came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Answers {
    right: u64,
    busy: u64,
    timeout: u64,
}

impl Answers {
    fn take(&mut self, outcome: &Result<Value, Failure>, number: u64) {
        match outcome {
            Ok(value) if *value == json!(number) => self.right += 1,
            Err(Failure::Refused { message, .. }) if message == "Busy" => self.busy += 1,
            Err(Failure::Refused { code, .. }) if code == "system.timeout" => self.timeout += 1,
            other => panic!("{number} was answered with {other:?}"),
        }
    }

    fn all(&self) -> u64 {
        self.right + self.busy + self.timeout
    }
}

/// Sends the calls and reads nothing.
async fn flood_gateway(gateway: &Gateway) -> Socket {
    let mut socket = connect(gateway.address()).await.unwrap();
    socket.feed(version(0)).await.unwrap();
    for number in 1..=CALLS {
        let method = format!("call.endurance.item.{number}.work");
        socket.feed(message(number, &method, &Value::Null)).await.unwrap();
    }
    socket.flush().await.unwrap();
    socket
}

/// Reads, at last, what the gateway had to say.
async fn read_flood(mut socket: Socket) -> Answers {
    let mut answers = Answers::default();
    while answers.all() < CALLS {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        let number = frame["id"].as_u64().unwrap();
        if number > 0 {
            answers.take(&outcome(&frame).map(|mut result| result["payload"].take()), number);
        }
    }
    answers
}

/// The same calls without a gateway, so that none of them gives up.
async fn flood_nats(client: &Nats) -> Answers {
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    for number in 0..CALLS {
        let subject = format!("call.endurance.item.{number}.work");
        client.publish_with_reply(subject, format!("{inbox}.{number}"), Bytes::new()).await.unwrap();
    }
    client.flush().await.unwrap();
    let mut answers = Answers::default();
    while answers.all() < CALLS {
        let reply = replies.next().await.unwrap();
        if !reply.payload.starts_with(b"timeout:") {
            let number = reply.subject.rsplit('.').next().unwrap().parse().unwrap();
            answers.take(&outcome(&serde_json::from_slice(&reply.payload).unwrap()), number);
        }
    }
    answers
}

/// Requests of one kind one after another until the flood is over: the answers, and the slowest.
async fn others<Asked>(over: &AtomicBool, from: u64, ask: impl Fn(u64) -> Asked) -> (Answers, Duration)
where
    Asked: Future<Output = Result<Value, Failure>>,
{
    let mut answers = Answers::default();
    let mut slowest = Duration::ZERO;
    for number in from.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let began = Instant::now();
        answers.take(&ask(number).await, number);
        slowest = slowest.max(began.elapsed());
    }
    (answers, slowest)
}

/// What the service counted is what was sent and answered. `clients` are those that a gateway asks the access of first,
/// which is refused when too many are asked for at a time. `resets_before` is how many resets were published before
/// anything was asked: each one after that has the gateway ask again for what it has.
fn agree(
    statistics: &HashMap<String, u64>,
    resets_before: u64,
    past: Answers,
    clients: [Answers; 2],
    gets: Answers,
) {
    let counted = |name: &str| statistics[name];
    let resets = counted("resets_published") - resets_before;
    let asked: u64 = clients.iter().map(Answers::all).sum();
    // Who gave up did not hear what the service said to it.
    let gone: u64 = clients.iter().map(|answers| answers.timeout).sum::<u64>() + gets.timeout;
    let busy = past.busy + gets.busy + clients.iter().map(|answers| answers.busy).sum::<u64>();
    let right: u64 = clients.iter().map(|answers| answers.right).sum();
    assert_eq!(counted("access_requests"), asked + gets.all(), "{statistics:?}");
    assert!((gets.all()..=gets.all() * (1 + resets)).contains(&counted("get_requests")), "{statistics:?}");
    assert!((busy..=busy + gone).contains(&counted("busy_replies")), "{busy} busy: {statistics:?}");
    assert_eq!(counted("error_replies"), counted("busy_replies"), "{statistics:?}");
    assert!((past.all() + right..=past.all() + asked).contains(&counted("call_requests")), "{statistics:?}");
    assert_eq!(counted("handler_timeouts") + counted("handler_panics"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_refused_at_the_limit_and_others_are_served_meanwhile_and_after_it() {
    let nats = Broker::start().await;
    let configuration = Configuration { queue_capacity: QUEUE_CAPACITY, ..Configuration::new(nats.url()) };
    let mut replica = Replica::start(&configuration).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resgate.json");
    std::fs::write(&file, json!({ "bufferSize": GATEWAY_BUFFER }).to_string()).unwrap();
    let flooded = Gateway::start(&nats.url(), &["--config", file.to_str().unwrap()]).await;
    let other = Gateway::start(&nats.url(), &[]).await;
    let client = Client::start(other.address(), Vec::new());
    let direct = nats.connect().await;
    let before = replica.memory().await;
    let resets_before = replica.statistics().await["resets_published"];

    let began = Instant::now();
    let over = AtomicBool::new(false);
    let flood = async {
        let (socket, past) = tokio::join!(flood_gateway(&flooded), flood_nats(&direct));
        let past_took = began.elapsed();
        let through_gateway = read_flood(socket).await;
        over.store(true, Ordering::Relaxed);
        (through_gateway, past, past_took)
    };
    let call = |number: u64| {
        let client = &client;
        async move { client.call(&format!("endurance.item.{number}.work"), Value::Null).await }
    };
    let get = |number: u64| {
        let client = &client;
        async move { client.get(&format!("endurance.item.{number}")).await.map(|mut item| item["number"].take()) }
    };
    let everybody =
        async { tokio::join!(flood, others(&over, 1_000_000, call), others(&over, 2_000_000, get)) };
    let everybody = timeout(FLOOD_TIME_MAX, Box::pin(everybody)).await;
    let ((through_gateway, past, past_took), (calls, slowest_call), (gets, slowest_get)) =
        everybody.expect("the flood ends");
    let took = began.elapsed();
    let after = replica.memory().await;
    let statistics = replica.statistics().await;
    eprintln!(
        "flood: {CALLS} calls through a gateway: {through_gateway:?}, {CALLS} past it in {past_took:?}: {past:?}, all \
         over after {took:?}; another client meanwhile: calls {calls:?}, the slowest {slowest_call:?}, gets {gets:?}, \
         the slowest {slowest_get:?}; memory {before} KiB before and {after} KiB after"
    );

    assert_eq!(past.timeout, 0, "who has no gateway gets every answer");
    assert!(past.busy > 0 && past.right > 0, "{past:?}");
    let others_time_max = OTHERS_TIME_MAX.max(took / 2);
    assert!(slowest_call < others_time_max && slowest_get < others_time_max);
    assert!(calls.all() > 0 && gets.right > gets.busy, "gets have a limit of their own: {gets:?}");
    assert!(after < before + GROWTH_MAX, "the flood took {} KiB", after - before);
    agree(&statistics, resets_before, past, [through_gateway, calls], gets);
    let began = Instant::now();
    assert_eq!(client.call("endurance.item.7.work", Value::Null).await, Ok(json!(7)));
    assert_eq!(client.get("endurance.item.8").await.unwrap()["number"], 8);
    let normal = began.elapsed();
    assert!(normal < WORK_TIME + Duration::from_secs(1), "after the flood a call and a get took {normal:?}");
}
