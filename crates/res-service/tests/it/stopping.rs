//! Services that stop while something is still to be done.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::StreamExt;
use res_service::{Builder, Call, Get, Lease, MemoryLease, Model, Reply, Resource, Service};
use serde_json::json;

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
    service.own_keys([KEY]);
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
    let calls = || first.statistics().call_requests.load(Ordering::Relaxed);
    eventually("the call is in work", calls, |calls| *calls == 1).await;
    let second = start(&world, "second", &lease).await;

    tokio::time::timeout(Duration::from_millis(100), first.stop(PATIENCE)).await.unwrap_err();

    eventually("the lease runs out and is the second's", || second.owns(KEY), Option::is_some).await;
    assert_eq!(first.owns(KEY), None);
    first.stop(PATIENCE).await.expect("it has been stopped");
    second.stop(PATIENCE).await.unwrap();
}
