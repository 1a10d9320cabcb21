//! The order of what one resource says, under load.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use futures::StreamExt;
use res_service::{Builder, Call, Error, Get, Model, Reply, Resource};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};

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
    Resource::model("m", get).changes_per_second_max(0).call("add", move |call: Call| {
        let truth = Arc::clone(&truth);
        async move {
            let seq = truth.fetch_add(1, Ordering::SeqCst) + 1;
            call.service().refresh(call.name()).await?;
            Reply::result(&seq)
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e01_e12_a_custom_change_comes_after_what_was_refreshed_before_it() {
    let world = World::new().await;
    let truth = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&truth);
    let model = Resource::model("m", move |_: Get| {
        let seq = read.load(Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            Model::from_serialize(&json!({"seq": seq}))
        }
    });
    let model = model.changes_per_second_max(1);
    let service = Builder::new("test").resource(model).start(world.connect().await).await.unwrap();
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    for seq in 1..=100 {
        truth.store(seq, Ordering::SeqCst);
        service.refresh_now("test.m").await.unwrap();
        service.emit("test.m", "rang", &seq).await.unwrap();
        for expected in [
            ("event.test.m.change", format!(r#"{{"values":{{"seq":{seq}}}}}"#)),
            ("event.test.m.rang", seq.to_string()),
        ] {
            let (subject, payload) = wire.next_where(|subject| subject.starts_with("event.")).await;
            assert_eq!((subject.as_str(), payload), expected);
        }
    }
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
            "called" if message.payload.starts_with(b"timeout:") => {}
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
    assert_eq!(service.statistics().internal_error_replies.get(), 0);
}

fn seq(message: &Message, at: &str) -> Option<u64> {
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    payload.pointer(at).and_then(Value::as_u64)
}

/// A model whose only state is in memory: what a call reads must still be so when it writes.
fn register(values: &Arc<Mutex<Vec<u64>>>, overtaken: &Arc<AtomicBool>) -> Resource {
    let (read, write, overtaken) = (Arc::clone(values), Arc::clone(values), Arc::clone(overtaken));
    Resource::model("register.$id", move |_: Get| {
        let values = read.lock().unwrap().clone();
        async move { Model::from_serialize(&json!({ "length": values.len(), "last": values.last() })) }
    })
    .group("register")
    .changes_per_second_max(0)
    .call("append", move |call: Call| {
        let (values, overtaken) = (Arc::clone(&write), Arc::clone(&overtaken));
        async move {
            let value: u64 = call.params()?;
            let length = values.lock().unwrap().len();
            tokio::time::sleep(Duration::from_millis(value % 3)).await;
            {
                let mut now = values.lock().unwrap();
                overtaken.fetch_or(now.len() != length, Ordering::SeqCst);
                now.push(value);
            }
            call.service().refresh_now(call.name()).await?;
            Reply::result(&value)
        }
    })
    .call("twice", |call: Call| async move {
        let service = call.service();
        let both = tokio::join!(service.refresh_now(call.name()), service.refresh_now(call.name()));
        both.0.and(both.1).map(|()| Reply::null())
    })
    .call("remove", |call: Call| async move {
        call.service().delete(call.name()).await?;
        Ok(Reply::null())
    })
    .call("fail", |_: Call| async { Err::<Reply, _>(Error::custom("test.failed", "Failed")) })
    .call("panic", |_: Call| async { panic!("on purpose") })
    .call("hang", |_: Call| std::future::pending())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_group_never_overtake_and_each_change_comes_before_its_answer() {
    let world = World::new().await;
    let (values, overtaken) = (Arc::default(), Arc::default());
    let builder = Builder::new("test").handler_time_max(Duration::from_secs(2));
    let service = builder.resource(register(&values, &overtaken)).start(world.connect().await).await.unwrap();
    assert_eq!(world.ask("get.test.register.a", "{}").await["result"]["model"]["length"], 0);
    let gateway = world.connect().await;
    let mut everything = gateway.subscribe(">").await.unwrap();
    round_trip(&gateway).await;
    for value in 1..=200 {
        // What goes wrong in one call is no matter of the next.
        let wrong = ["fail", "panic", "hang"].get(value / 50).filter(|_| value % 50 == 0);
        if let Some(method) = wrong {
            gateway
                .publish_with_reply(format!("call.test.register.a.{method}"), "wrong", "{}".into())
                .await
                .unwrap();
        }
        let payload = format!("{{\"params\":{value}}}");
        gateway.publish_with_reply("call.test.register.a.append", "called", payload.into()).await.unwrap();
    }
    let (mut changed, mut answered) = (0, 0);
    while answered < 200 {
        let message = tokio::time::timeout(PATIENCE, everything.next()).await;
        let message = message.unwrap_or_else(|_| panic!("changed {changed}, answered {answered}")).unwrap();
        let payload: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        match message.subject.as_str() {
            "event.test.register.a.change" => changed = payload["values"]["last"].as_u64().unwrap(),
            // On a busy machine the last of them wait for more than a second.
            "called" if message.payload.starts_with(b"timeout:") => {}
            "called" => {
                answered += 1;
                assert_eq!((payload["result"].as_u64(), changed), (Some(answered), answered), "{message:?}");
            }
            _ => {}
        }
    }
    assert!(!overtaken.load(Ordering::SeqCst), "no call changed what another had read");
    assert_eq!(*values.lock().unwrap(), (1..=200).collect::<Vec<u64>>());
    assert_eq!(world.ask("call.test.register.a.twice", "{}").await, json!({"result": null}));
    assert_eq!(world.ask("call.test.register.a.remove", "{}").await, json!({"result": null}));
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_that_a_call_begins_together_in_its_turn_are_done_one_after_the_other() {
    let world = World::new().await;
    let truth = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&truth);
    let get = move |_: Get| {
        let truth = Arc::clone(&read);
        async move {
            let seq = truth.load(Ordering::SeqCst);
            if seq == 1 {
                // Who began after this one would be done before it.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Model::from_serialize(&json!({ "seq": seq }))
        }
    };
    let call = move |call: Call| {
        let truth = Arc::clone(&truth);
        async move {
            let pause: u64 = call.params()?;
            let write = async |seq, pause| {
                if pause > 0 {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                truth.store(seq, Ordering::SeqCst);
                call.service().refresh_now(call.name()).await
            };
            let both = tokio::join!(write(1, 0), write(2, pause));
            both.0.and(both.1).map(|()| Reply::null())
        }
    };
    let resource = Resource::model("m", get).changes_per_second_max(0);
    let builder = Builder::new("test").resource(resource.call("twice", call));
    let service = builder.start(world.connect().await).await.unwrap();
    assert_eq!(world.ask("get.test.m", "{}").await["result"]["model"]["seq"], 0);
    let gateway = world.connect().await;
    let mut changes = gateway.subscribe("event.test.m.change").await.unwrap();
    round_trip(&gateway).await;
    for pause in [0, 10] {
        let payload = format!("{{\"params\":{pause}}}");
        assert_eq!(world.ask("call.test.m.twice", payload).await, json!({"result": null}));
        for seq in [1, 2] {
            let change =
                tokio::time::timeout(PATIENCE, changes.next()).await.expect("both are announced").unwrap();
            assert_eq!(self::seq(&change, "/values/seq"), Some(seq), "{pause}: {change:?}");
        }
    }
    service.stop(PATIENCE).await.unwrap();
}

/// A model with a call that ends when so many handlers have met, and then does what is to be done.
fn meeting<F, Fut>(name: &str, met: &Arc<Barrier>, then: F) -> Resource
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (met, reads, then) = (Arc::clone(met), Arc::new(AtomicU64::new(0)), Arc::new(then));
    let get = move |_: Get| {
        let read = reads.fetch_add(1, Ordering::SeqCst);
        async move { Model::from_serialize(&json!({ "read": read })) }
    };
    Resource::model(name, get).call("meet", move |call: Call| {
        let (met, then) = (Arc::clone(&met), Arc::clone(&then));
        async move {
            met.wait().await;
            then(call).await?;
            Ok(Reply::null())
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_run_side_by_side_and_calls_of_one_where_it_says_so() {
    let world = World::new().await;
    let met = Arc::new(Barrier::new(4));
    let nothing = |_: Call| async { Ok(()) };
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let noticed = meeting("c", &met, nothing).calls_side_by_side().around(move |call: Call, next| {
        begins.notify_one();
        next.run(call)
    });
    let builder = Builder::new("test")
        .resource(meeting("a", &met, nothing))
        .resource(meeting("b", &met, nothing))
        .resource(noticed);
    let service = builder.start(world.connect().await).await.unwrap();
    let ask = |subject| world.ask(subject, "{}");
    let one_of_c_waits = async {
        let then_others = async {
            begun.notified().await;
            let get = ask("get.test.c").await;
            assert_eq!(get["result"]["model"]["read"], 0, "a get does not wait for it");
            ask("call.test.c.meet").await
        };
        tokio::join!(ask("call.test.c.meet"), then_others)
    };
    let answers = tokio::join!(ask("call.test.a.meet"), ask("call.test.b.meet"), one_of_c_waits);
    let null = json!({"result": null});
    assert_eq!(answers, (null.clone(), null.clone(), (null.clone(), null)));
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_that_would_wait_for_each_other_go_on_and_their_changes_follow() {
    let world = World::new().await;
    let met = Arc::new(Barrier::new(2));
    let refresh =
        |other: &'static str| move |call: Call| async move { call.service().refresh_now(other).await };
    let delete = |other: &'static str| move |call: Call| async move { call.service().delete(other).await };
    let builder = Builder::new("test")
        .resource(meeting("a", &met, refresh("test.b")))
        .resource(meeting("b", &met, refresh("test.a")))
        .resource(meeting("c", &met, delete("test.d")))
        .resource(meeting("d", &met, delete("test.c")));
    let service = builder.start(world.connect().await).await.unwrap();
    for name in ["a", "b", "c", "d"] {
        world.ask(&format!("get.test.{name}"), "{}").await;
    }
    let mut changes = world.listen().await;
    for (one, other) in [("a", "b"), ("c", "d")] {
        let calls = [one, other].map(|name| format!("call.test.{name}.meet"));
        let answers = tokio::join!(world.ask(&calls[0], "{}"), world.ask(&calls[1], "{}"));
        assert_eq!(answers, (json!({"result": null}), json!({"result": null})));
    }
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(changes.next_where(|subject| subject.starts_with("event.")).await.0);
    }
    told.sort_unstable();
    assert_eq!(
        told,
        ["event.test.a.change", "event.test.b.change", "event.test.c.delete", "event.test.d.delete"]
    );
    service.stop(PATIENCE).await.unwrap();
}
