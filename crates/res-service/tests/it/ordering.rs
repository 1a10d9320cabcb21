//! The order of what one resource says, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_nats::Message;
use bytes::Bytes;
use futures::StreamExt;
use res_service::{Builder, Call, Get, Model, Reply, Resource};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, round_trip};

/// A counter that takes note if it is ever read twice at the same time.
fn counter() -> Resource {
    let truth = Arc::new(AtomicU64::new(0));
    let inside = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&truth);
    let get = move |_: Get| {
        let (truth, inside) = (Arc::clone(&read), Arc::clone(&inside));
        async move {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "gets and refreshes never run side by side");
            let seq = truth.load(Ordering::SeqCst);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            Model::from_serialize(&json!({"seq": seq}))
        }
    };
    Resource::model("m", get).owned_by_name(1).changes_per_second_max(0).call("add", move |call: Call| {
        let truth = Arc::clone(&truth);
        async move {
            let seq = truth.fetch_add(1, Ordering::SeqCst) + 1;
            call.service().refresh(call.name()).await?;
            Reply::result(&seq)
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t12_e01_a_thousand_calls_gets_and_refreshes_of_one_resource_stay_in_order() {
    let world = World::new().await;
    let service = Builder::new("test").resource(counter()).start(world.connect().await).await.unwrap();
    // One connection sees the answers and the changes in the order in which the server got them.
    let gateway = world.connect().await;
    let mut everything = gateway.subscribe(">").await.unwrap();
    round_trip(&gateway).await;
    for n in 0..1000 {
        gateway.publish_with_reply("call.test.m.add", "called", Bytes::new()).await.unwrap();
        if n % 3 == 0 {
            gateway.publish_with_reply("get.test.m", "answers", Bytes::new()).await.unwrap();
        }
    }
    let (mut state, mut calls, mut gets) = (None, 0, 0);
    while calls < 1000 || gets < 334 || state != Some(1000) {
        let message = tokio::time::timeout(PATIENCE, everything.next()).await;
        let message = message.unwrap_or_else(|_| panic!("{calls} calls, {gets} gets, at {state:?}")).unwrap();
        match message.subject.as_str() {
            "called" => calls += 1,
            "answers" if message.payload.starts_with(b"timeout:") => {}
            "answers" => {
                gets += 1;
                let answered = seq(&message, "/result/model/seq");
                if gets > 1 {
                    assert_eq!(
                        answered, state,
                        "an answer is the state that the changes before it have led to"
                    );
                }
                state = answered;
            }
            "event.test.m.change" => {
                let changed = seq(&message, "/values/seq");
                assert!(changed > state, "changes only go forward: {state:?}, then {changed:?}");
                state = changed;
            }
            _ => {}
        }
    }
    assert_eq!(service.statistics().internal_error_replies.load(Ordering::SeqCst), 0);
}

fn seq(message: &Message, at: &str) -> Option<u64> {
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    payload.pointer(at).and_then(Value::as_u64)
}
