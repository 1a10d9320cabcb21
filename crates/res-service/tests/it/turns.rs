//! What waits for the turn of a group: how long, how much, and that nobody waits in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client;
use futures::StreamExt;
use res_service::{Builder, Call, Error, Get, MemoryLease, Model, Reply, Resource, Service};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::world::{PATIENCE, World, eventually};

/// A model whose calls wait until they are let go, or are counted.
struct Gated {
    gate: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    counted: Arc<AtomicUsize>,
}

impl Gated {
    fn new() -> Self {
        let (gate, begun, counted) = (Arc::new(Semaphore::new(0)), Arc::default(), Arc::default());
        Self { gate, begun, counted }
    }

    fn resource(&self, pattern: &str) -> Resource {
        let (gate, begun) = (Arc::clone(&self.gate), Arc::clone(&self.begun));
        let counted = Arc::clone(&self.counted);
        Resource::model(pattern, |_: Get| async { Model::from_serialize(&json!({})) })
            .call("wait", move |_: Call| {
                begun.fetch_add(1, Ordering::SeqCst);
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.map_err(Error::internal)?.forget();
                    Ok(Reply::null())
                }
            })
            .call("count", move |_: Call| {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                async move { Reply::result(&number) }
            })
    }

    async fn has_begun(&self, times: usize) {
        eventually("calls are in work", || self.begun.load(Ordering::SeqCst), |begun| *begun == times).await;
    }

    fn counted(&self) -> usize {
        self.counted.load(Ordering::SeqCst)
    }
}

async fn received(service: &Service, calls: u64) {
    eventually("calls are received", || service.statistics().call_requests.get(), |now| *now == calls).await;
}

async fn publish(client: &Client, subject: &str, reply: &str) {
    client.publish_with_reply(subject.to_owned(), reply.to_owned(), "{}".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_another_group_comes_before_the_answer_of_who_waits_for_it() {
    let world = World::new().await;
    let truth = Arc::new(AtomicU64::new(0));
    let (read, write) = (Arc::clone(&truth), truth);
    let slow = Resource::model("slow", move |_: Get| {
        let seq = read.load(Ordering::SeqCst);
        async move {
            // Who did not wait for this would be first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            Model::from_serialize(&json!({ "seq": seq }))
        }
    });
    let calls = Resource::new("calls").call("add", move |call: Call| {
        write.fetch_add(1, Ordering::SeqCst);
        async move {
            call.service().refresh_now("test.slow").await?;
            Ok(Reply::null())
        }
    });
    let builder = Builder::new("test").resource(slow.changes_per_second_max(0)).resource(calls);
    let service = builder.start(world.connect().await).await.unwrap();
    world.ask("get.test.slow", "{}").await;
    let mut wire = world.listen().await;
    for seq in 1..=5 {
        publish(&world.client, "call.test.calls.add", "called").await;
        let is_told = |subject: &str| subject == "called" || subject.starts_with("event.");
        let mut told = Vec::new();
        while told.len() < 2 {
            let (subject, payload) = wire.next_where(is_told).await;
            // On a busy machine who asked is told to wait.
            if !payload.starts_with("timeout:") {
                told.push((subject, payload));
            }
        }
        let change = format!("{{\"values\":{{\"seq\":{seq}}}}}");
        let expected = [("event.test.slow.change", change.as_str()), ("called", r#"{"result":null}"#)];
        assert_eq!(told, expected.map(|(subject, payload)| (subject.to_owned(), payload.to_owned())));
    }
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_whose_calls_wait_leaves_places_to_others() {
    let world = World::new().await;
    let (full, other) = (Gated::new(), Gated::new());
    let busy = Error::custom("test.busy", "Come back later");
    let builder = Builder::new("test").queue_capacity(8).busy_error(busy);
    let builder = builder.resource(full.resource("full")).resource(other.resource("other"));
    let service = builder.start(world.connect().await).await.unwrap();
    publish(&world.client, "call.test.full.wait", "nobody").await;
    full.has_begun(1).await;
    let mut waiting = world.client.subscribe("waiting").await.unwrap();
    for _ in 0..4 {
        publish(&world.client, "call.test.full.count", "waiting").await;
    }
    received(&service, 5).await;
    assert_eq!(world.ask("call.test.full.count", "{}").await["error"]["code"], "test.busy");
    assert_eq!(world.ask("call.test.other.count", "{}").await, json!({"result": 1}));
    full.gate.add_permits(1);
    for number in 1..=4 {
        let answer = next_answer(&mut waiting).await;
        assert_eq!(answer, json!({"result": number}), "what waited is served in its turn");
    }
    service.stop(PATIENCE).await.unwrap();
}

/// The next that is no pre-response.
async fn next_answer(answers: &mut async_nats::Subscriber) -> Value {
    loop {
        let answer =
            tokio::time::timeout(PATIENCE, answers.next()).await.expect("an answer in time").unwrap();
        if !answer.payload.starts_with(b"timeout:") {
            return serde_json::from_slice(&answer.payload).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_turn_does_not_come_in_time_is_refused_and_never_done() {
    const TIME_MAX: Duration = Duration::from_secs(1);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let world = World::new().await;
        let gated = Gated::new();
        let busy = Error::custom("test.busy", "Come back later");
        let builder = Builder::new("test").handler_time_max(TIME_MAX).busy_error(busy);
        let builder = builder.resource(gated.resource("x"));
        let service = builder.start(world.connect().await).await.unwrap();
        let begun = Instant::now();
        publish(&world.client, "call.test.x.wait", "nobody").await;
        gated.has_begun(1).await;
        tokio::time::sleep(TIME_MAX / 2).await;
        // One after the other has its turn, until its time has run out. The call behind them waits for all three.
        for _ in 0..2 {
            publish(&world.client, "call.test.x.wait", "nobody").await;
        }
        let count = world.ask("call.test.x.count", "{}");
        let all_wait = received(&service, 4);
        let (answer, was_in_time) = tokio::join!(count, async {
            all_wait.await;
            begun.elapsed() < TIME_MAX
        });
        let is_refused = answer["error"]["code"] == "test.busy";
        gated.gate.close();
        service.stop(PATIENCE).await.unwrap();
        assert_eq!(gated.counted(), usize::from(!is_refused), "who has been refused may try again elsewhere");
        if is_refused {
            return;
        }
        assert!(!was_in_time, "it waited for three that took all their time: {answer}");
        assert!(Instant::now() < deadline, "the machine is too slow for half a second");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gets_and_queries_behind_a_long_call_fail_in_time_and_are_asked_for_again() {
    let world = World::new().await;
    let gated = Gated::new();
    let in_one_group = |name: &str| gated.resource(name).group("both");
    let builder = Builder::new("test").resource(in_one_group("x")).resource(in_one_group("y"));
    let service = builder.start(world.connect().await).await.unwrap();
    let mut wire = world.listen().await;
    publish(&world.client, "call.test.x.wait", "nobody").await;
    gated.has_begun(1).await;
    let fails_in_time = async |subject: &str, payload: &'static str| {
        let asked = Instant::now();
        let answer = world.ask(subject, payload).await;
        assert_eq!(answer["error"]["code"], "system.internalError", "{answer}");
        assert!(asked.elapsed() >= Duration::from_secs(9), "{subject}: {:?}", asked.elapsed());
    };
    let query = format!("res.query.test.{}.test.y", service.replica());
    tokio::join!(fails_in_time("get.test.x", "{}"), fails_in_time(&query, r#"{"query":"q=1"}"#));
    gated.gate.add_permits(1);
    let (mut x_is_reset, mut y_is_reset) = (false, false);
    while !x_is_reset || !y_is_reset {
        let (_, reset) = wire.next_where(|subject| subject == "system.reset").await;
        x_is_reset |= reset.contains(r#""test.x""#);
        y_is_reset |= reset.contains(r#""test.y""#);
    }
    assert_eq!(world.ask("get.test.x", "{}").await, json!({"result": {"model": {}}}));
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_work_elsewhere_does_not_hold_up_what_the_owner_answers() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_secs(2));
    let hung = Arc::new(AtomicUsize::new(0));
    let replica = |name: &str| {
        let hung = Arc::clone(&hung);
        let item = Resource::model("event.$event", |_: Get| async { Model::from_serialize(&json!({})) })
            .owned_by("event.$event")
            .call("wait", move |call: Call| {
                let is_owner = call.service().owns("event.1").is_some();
                hung.fetch_add(usize::from(!is_owner), Ordering::SeqCst);
                async move { if is_owner { Ok(Reply::null()) } else { std::future::pending().await } }
            });
        Builder::new("test").replica(name).lease(lease.clone()).resource(item)
    };
    let mut services = Vec::new();
    for name in ["a", "b"] {
        let service = replica(name).start(world.connect().await).await.unwrap();
        service.own_keys(["event.1"]).unwrap();
        services.push(service);
    }
    let owners = || services.iter().filter(|service| service.owns("event.1").is_some()).count();
    eventually("one owns it", owners, |owners| *owners == 1).await;
    let deadline = Instant::now() + PATIENCE;
    while hung.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "no call came to the other replica");
        let answer = world.client.request("call.test.event.1.wait", "{}".into());
        tokio::time::timeout(Duration::from_millis(200), answer).await.ok();
    }
    let asked = Instant::now();
    for _ in 0..20 {
        assert_eq!(world.ask("get.test.event.1", "{}").await, json!({"result": {"model": {}}}));
    }
    assert!(asked.elapsed() < Duration::from_secs(8), "a get waited for a call: {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_turn_of_a_group_is_not_that_of_another_services_group_of_the_same_name() {
    let world = World::new().await;
    let inside = Arc::new(AtomicUsize::new(0));
    let overlapped = Arc::new(AtomicBool::new(false));
    // The first get and the refresh need one each, and what is between them waits for its own.
    let gate = Arc::new(Semaphore::new(1));
    let (within, overlaps, gated) = (Arc::clone(&inside), Arc::clone(&overlapped), Arc::clone(&gate));
    let model = Resource::model("event.$event", move |_: Get| {
        let (inside, overlapped) = (Arc::clone(&within), Arc::clone(&overlaps));
        let gate = Arc::clone(&gated);
        async move {
            overlapped.fetch_or(inside.fetch_add(1, Ordering::SeqCst) != 0, Ordering::SeqCst);
            gate.acquire().await.map_err(Error::internal)?.forget();
            inside.fetch_sub(1, Ordering::SeqCst);
            Model::from_serialize(&json!({}))
        }
    });
    let of_other = Builder::new("other").resource(model.owned_by("event.$event"));
    let other = of_other.start(world.connect().await).await.unwrap();
    let target = other.clone();
    let refreshing = Resource::new("event.$event").owned_by("event.$event").call("touch", move |_: Call| {
        let target = target.clone();
        async move {
            target.refresh_now("other.event.1").await?;
            Ok(Reply::null())
        }
    });
    let builder = Builder::new("test").resource(refreshing);
    let service = builder.start(world.connect().await).await.unwrap();
    world.ask("get.other.event.1", "{}").await;
    publish(&world.client, "get.other.event.1", "nobody").await;
    eventually("it is being read", || inside.load(Ordering::SeqCst), |inside| *inside == 1).await;
    let refreshes = || other.statistics().refreshes.get();
    let touched = world.ask("call.test.event.1.touch", "{}");
    let let_go = async {
        eventually("the call asks for a refresh", refreshes, |refreshes| *refreshes == 1).await;
        gate.add_permits(2);
    };
    assert_eq!(tokio::join!(touched, let_go).0, json!({"result": null}));
    assert!(!overlapped.load(Ordering::SeqCst), "a refresh ran beside a get of its group");
    service.stop(PATIENCE).await.unwrap();
    other.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_when_its_service_has_stopped_is_not_begun() {
    let world = World::new().await;
    let gated = Gated::new();
    let builder = Builder::new("test").resource(gated.resource("x"));
    let service = builder.start(world.connect().await).await.unwrap();
    let mut waiting = world.client.subscribe("waiting").await.unwrap();
    publish(&world.client, "call.test.x.wait", "nobody").await;
    gated.has_begun(1).await;
    publish(&world.client, "call.test.x.count", "waiting").await;
    received(&service, 2).await;
    service.stop(Duration::from_millis(100)).await.unwrap_err();
    gated.gate.add_permits(1);
    assert_eq!(next_answer(&mut waiting).await["error"]["code"], "system.internalError");
    assert_eq!(gated.counted(), 0);
}
