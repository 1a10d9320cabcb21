//! Services that stop while something is still to be done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::StreamExt;
use res_service::{Builder, Call, Error, Get, Lease, MemoryLease, Model, Reply, Resource, Service};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::world::{PATIENCE, World, eventually, round_trip};

const KEY: &str = "event.1";

/// A replica that wants to own the event; its method `hang` never ends.
async fn start(world: &World, replica: &str, lease: &MemoryLease) -> Service {
    let resource = Resource::model("event.$event", |get: Get| async move {
        Model::from_serialize(&json!({"id": get.parameter::<u64>("event")?}))
    })
    .owned_by("event.$event")
    .call("hang", |_: Call| std::future::pending::<Result<Reply, _>>());
    let builder = Builder::new("test").replica(replica).lease(lease.clone()).resource(resource);
    let service = builder.start(world.connect().await).await.unwrap();
    service.own_keys([KEY]).unwrap();
    service
}

async fn next(messages: &mut Subscriber, what: &str) -> Message {
    let next = tokio::time::timeout(PATIENCE, messages.next()).await;
    next.unwrap_or_else(|_| panic!("{what} did not come")).expect("the connection lives")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_until_the_owner_knows_what_has_changed_here() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_secs(60));
    lease.round("elsewhere", &[KEY.to_owned()]).await.unwrap();
    let service = start(&world, "here", &lease).await;
    eventually("the owner is known", || service.holdings().len(), |holdings| *holdings == 1).await;
    // The owner is there, and does not answer yet.
    let mut hints = world.client.subscribe("res.refresh.>").await.unwrap();
    round_trip(&world.client).await;
    service.refresh("test.event.1").await.unwrap();
    assert_eq!(next(&mut hints, "a hint").await.payload.as_ref(), b"test.event.1");
    let stopping = tokio::spawn(async move { service.stop(PATIENCE).await });
    // Each comes when the one before it has not been answered for a while.
    for _ in 0..3 {
        next(&mut hints, "another hint").await;
    }
    assert!(!stopping.is_finished(), "the owner does not know yet");
    let hint = next(&mut hints, "the last hint").await;
    world.client.publish(hint.reply.unwrap(), "taken".into()).await.unwrap();
    stopping.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_nobody_waits_for_any_more_still_ends_the_service() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_millis(600));
    let first = start(&world, "first", &lease).await;
    eventually("the first owns", || first.owns(KEY), Option::is_some).await;
    world.client.publish_with_reply("call.test.event.1.hang", "nobody", "".into()).await.unwrap();
    let calls = || first.statistics().call_requests.get();
    eventually("the call is in work", calls, |calls| *calls == 1).await;
    let second = start(&world, "second", &lease).await;

    tokio::time::timeout(Duration::from_millis(100), first.stop(PATIENCE)).await.unwrap_err();

    eventually("the lease runs out and is the second's", || second.owns(KEY), Option::is_some).await;
    assert_eq!(first.owns(KEY), None);
    first.stop(PATIENCE).await.expect("it has been stopped");
    second.stop(PATIENCE).await.unwrap();
}

/// Who answers calls of `ping` at once, with its name; `hang` waits until it is let go.
async fn start_calls(world: &World, replica: &str, gate: &Arc<Semaphore>) -> Service {
    let gate = Arc::clone(gate);
    let ping = |call: Call| async move { Reply::result(call.service().replica()) };
    let resource = Resource::new("x").calls_side_by_side().call("ping", ping).call("hang", move |_: Call| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.map_err(Error::internal)?.forget();
            Ok(Reply::null())
        }
    });
    Builder::new("test").replica(replica).resource(resource).start(world.connect().await).await.unwrap()
}

/// The server counts what it sends on a subscription from its last connection on, and the client from its first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_was_reconnected_leaves_its_requests_to_others_when_it_stops() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let first = start_calls(&world, "first", &gate).await;
    for _ in 0..2_000 {
        world.ask("call.test.x.ping", "").await;
    }
    first.client().force_reconnect().await.unwrap();
    let reconnects = || first.statistics().reconnects.get();
    eventually("it noticed", reconnects, |reconnects| *reconnects == 1).await;
    first.barrier().await.unwrap();
    world.client.publish_with_reply("call.test.x.hang", "nobody", "".into()).await.unwrap();
    let calls = || first.statistics().call_requests.get();
    eventually("the call is in work", calls, |calls| *calls == 2_001).await;
    let second = start_calls(&world, "second", &gate).await;
    let stopping = tokio::spawn({
        let first = first.clone();
        async move { first.stop(PATIENCE).await }
    });
    // Until the first has left, either may answer, and what is on its way at that very moment may be lost.
    let mut in_a_row = 0;
    for number in 0..20_000 {
        let answer = world.client.request("call.test.x.ping", "".into());
        match tokio::time::timeout(Duration::from_secs(2), answer).await.map(Result::unwrap) {
            Ok(answer) if answer.payload.as_ref() == br#"{"result":"second"}"# => in_a_row += 1,
            Ok(_) => in_a_row = 0,
            Err(_) => {
                assert!(in_a_row < 50, "call {number} has no answer, {in_a_row} after the first had left")
            }
        }
        if in_a_row == 500 {
            break;
        }
    }
    assert_eq!(in_a_row, 500, "the first does not leave");
    drop(second);
    assert!(!stopping.is_finished(), "a call is in work");
    gate.add_permits(1);
    stopping.await.unwrap().unwrap();
}

/// Without the end of what was begun, it would take requests for ever and own nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_could_not_start_takes_no_requests() {
    let world = World::new().await;
    let deaf = async_nats::ConnectOptions::new().no_echo().connect(world.url()).await.unwrap();
    let resource = Resource::new("x").call("ping", |_: Call| async { Ok(Reply::null()) });
    Builder::new("test").resource(resource).lease(MemoryLease::new(PATIENCE)).start(deaf).await.unwrap_err();
    // The end of its subscriptions is on its way; until then a request may go there, and nobody answers.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let asked = world.client.request("call.test.x.ping", "".into());
        let refused = tokio::time::timeout(Duration::from_millis(300), asked).await;
        match refused.map(|answer| answer.map_err(|error| error.kind())) {
            Ok(Err(async_nats::RequestErrorKind::NoResponders)) => return,
            last => assert!(tokio::time::Instant::now() < deadline, "still {last:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_a_service_that_is_stopping_waits_for_the_same_end() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let service = start_calls(&world, "first", &gate).await;
    world.client.publish_with_reply("call.test.x.hang", "nobody", "".into()).await.unwrap();
    let calls = || service.statistics().call_requests.get();
    eventually("the call is in work", calls, |calls| *calls == 1).await;
    let first = tokio::spawn({
        let service = service.clone();
        async move { service.stop(PATIENCE).await }
    });
    let is_refused = || async { world.client.request("call.test.x.ping", "".into()).await.is_err() };
    while !is_refused().await {}
    service.stop(Duration::from_millis(50)).await.expect_err("a call is in work");
    gate.add_permits(1);
    service.stop(PATIENCE).await.unwrap();
    first.await.unwrap().unwrap();
}

/// Gets that others hand on never end, so that there are none of them at a time is not to be waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_of_what_is_asked_for_all_the_time_hands_over_when_it_stops() {
    let world = World::new().await;
    let lease = MemoryLease::new(Duration::from_secs(60));
    let busy = |replica: &str| {
        let model = Resource::model("event.$event.$part", |_: Get| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Model::from_serialize(&json!({"a": 1}))
        });
        let resource = model.owned_by("event.$event").group("event.$event.$part");
        Builder::new("test").replica(replica).lease(lease.clone()).resource(resource)
    };
    let first = busy("first").start(world.connect().await).await.unwrap();
    first.own_keys([KEY]).unwrap();
    eventually("the first owns", || first.owns(KEY), Option::is_some).await;
    let second = busy("second").start(world.connect().await).await.unwrap();
    second.own_keys([KEY]).unwrap();
    let is_over = AtomicBool::new(false);
    let asking = futures::future::join_all((0..50).map(|number| {
        let (world, is_over) = (&world, &is_over);
        async move {
            while !is_over.load(Ordering::SeqCst) {
                let answer = world.ask(&format!("get.test.event.1.{number}"), "").await;
                assert_eq!(answer, json!({"result": {"model": {"a": 1}}}));
            }
        }
    }));
    let hand_over = async {
        let forwarded = || second.statistics().forwards_sent.get();
        eventually("the second hands gets on", forwarded, |forwarded| *forwarded > 50).await;
        let outcome = first.stop(PATIENCE).await;
        eventually("the second owns", || second.owns(KEY), Option::is_some).await;
        is_over.store(true, Ordering::SeqCst);
        outcome
    };
    let (outcome, _) = tokio::join!(hand_over, asking);
    outcome.unwrap();
}

/// Whoever hands something on to it would wait for an answer that comes when the owner is gone, or keep it from going.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_leaves_takes_nothing_more_from_others() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let model = Resource::model("event.$event.$part", move |get: Get| {
        let gate = Arc::clone(&opened);
        async move {
            if get.parameter::<String>("part")? == "busy" {
                gate.acquire().await.map_err(Error::internal)?.forget();
            }
            Model::from_serialize(&json!({"a": 1}))
        }
    });
    let resource = model.owned_by("event.$event").group("event.$event.$part");
    let lease = MemoryLease::new(Duration::from_secs(60));
    let builder = Builder::new("test").replica("owner").lease(lease).resource(resource);
    let owner = builder.start(world.connect().await).await.unwrap();
    owner.own_keys([KEY]).unwrap();
    eventually("it owns the event", || owner.owns(KEY), Option::is_some).await;
    let hand_on = async |what: &str, subject: &str, payload: &'static str| {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Res-Reply", "elsewhere");
        headers.insert("Res-Subject", subject);
        let to = format!("res.{what}.test.owner");
        world.client.request_with_headers(to, headers, payload.into()).await.unwrap().payload
    };
    assert_eq!(hand_on("forward", "get.test.event.1.busy", "").await, "taken");
    assert_eq!(hand_on("refresh", "", "test.event.1.idle").await, "taken");
    let stop = tokio::spawn({
        let owner = owner.clone();
        async move { owner.stop(PATIENCE).await }
    });
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while hand_on("forward", "get.test.event.1.idle", "").await != "refused" {
        assert!(tokio::time::Instant::now() < deadline, "it goes on taking gets");
    }
    assert_eq!(hand_on("refresh", "", "test.event.1.idle").await, "refused");
    assert!(owner.owns(KEY).is_some(), "it still finishes what it has taken");
    gate.add_permits(1);
    stop.await.unwrap().unwrap();
}

/// Passes on what it is sent while the gate is open.
async fn gated_proxy(server: String, gate: tokio::sync::watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let (mut gate, mut bytes) = (gate, vec![0; 4096]);
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            gate.wait_for(|is_open| *is_open).await.unwrap();
            to_server.write_all(&bytes[..count]).await.unwrap();
        }
    });
    address
}

/// What has left the client may still lie anywhere; only an echo tells that the server has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d06_a_barrier_ends_when_the_server_has_everything_and_not_before() {
    let world = World::new().await;
    let (gate, is_open) = tokio::sync::watch::channel(true);
    let server = world.url().trim_start_matches("nats://").to_owned();
    let client = async_nats::connect(gated_proxy(server, is_open).await).await.unwrap();
    let service = Builder::new("test").resource(Resource::new("x")).start(client.clone()).await.unwrap();
    let mut heard = world.client.subscribe("event.test.x.done").await.unwrap();
    round_trip(&world.client).await;
    gate.send(false).unwrap();
    service.emit("test.x", "done", &json!({})).await.unwrap();
    client.flush().await.unwrap();
    let mut barrier = tokio::spawn({
        let service = service.clone();
        async move { service.barrier().await }
    });
    let early = tokio::time::timeout(Duration::from_millis(500), &mut barrier).await;
    assert!(early.is_err(), "nothing has reached the server: {early:?}");
    gate.send(true).unwrap();
    barrier.await.unwrap().unwrap();
    assert_eq!(next(&mut heard, "what was said before").await.payload, "{}");
}
