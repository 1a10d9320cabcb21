//! The order of what one resource says, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use res_service::{Builder, Call, Get, Model, Reply, Resource};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_gets_and_refreshes_of_one_resource_stay_in_order() {
    let world = World::new().await;
    let truth = Arc::new(AtomicU64::new(0));
    let inside = Arc::new(AtomicUsize::new(0));
    let (read, busy) = (Arc::clone(&truth), Arc::clone(&inside));
    let written = Arc::clone(&truth);
    let service = Builder::new("test")
        .resource(
            Resource::model("m", move |_: Get| {
                let (truth, inside) = (Arc::clone(&read), Arc::clone(&busy));
                async move {
                    assert_eq!(
                        inside.fetch_add(1, Ordering::SeqCst),
                        0,
                        "gets and refreshes never run side by side"
                    );
                    let seq = truth.load(Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    Model::from_serialize(&json!({"seq": seq}))
                }
            })
            .owned_by_name(1)
            .changes_per_second_max(0)
            .call("add", move |call: Call| {
                let truth = Arc::clone(&written);
                async move {
                    let seq = truth.fetch_add(1, Ordering::SeqCst) + 1;
                    call.service().refresh(call.name()).await?;
                    Reply::result(&seq)
                }
            }),
        )
        .start(world.connect().await)
        .await
        .unwrap();

    // One connection sees the answers to gets, and the changes, in the order in which the server got them.
    let gateway: Client = world.connect().await;
    let mut seen = gateway.subscribe("*.test.m.change").await.unwrap();
    let mut answers = gateway.subscribe("answers").await.unwrap();
    let merged = world.connect().await;
    let mut everything = merged.subscribe(">").await.unwrap();
    crate::world::round_trip(&merged).await;
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
        let seq = |at: &str| {
            let payload: Value = serde_json::from_slice(&message.payload).unwrap();
            payload.pointer(at).and_then(Value::as_u64)
        };
        match message.subject.as_str() {
            "called" => calls += 1,
            "answers" => {
                gets += 1;
                let answered = seq("/result/model/seq");
                if gets > 1 {
                    assert_eq!(
                        answered, state,
                        "an answer is the state that the changes before it have led to"
                    );
                }
                state = answered;
            }
            "event.test.m.change" => {
                let changed = seq("/values/seq");
                assert!(changed > state, "changes only go forward: {state:?}, then {changed:?}");
                state = changed;
            }
            _ => {}
        }
    }
    assert_eq!(service.statistics().internal_error_replies.load(Ordering::SeqCst), 0);
    drop((seen.unsubscribe().await, answers.unsubscribe().await));
}
