//! What stands around handlers: middleware, and the trace to which a request belongs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use res_service::{
    Access, Auth, Builder, Call, Error, Get, Grant, MemoryLease, Model, Next, Reply, Resource, Service,
    Snapshot, TraceContext,
};
use serde_json::json;

use crate::world::{PATIENCE, World, eventually, round_trip};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Log = Arc<Mutex<Vec<String>>>;

fn log(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn middleware_runs_from_the_outermost_in_and_may_change_what_comes_back() {
    let world = World::new().await;
    let seen = Log::default();
    let (outer, inner, handler) = (Arc::clone(&seen), Arc::clone(&seen), Arc::clone(&seen));
    let resource = Resource::new("x")
        .around(move |call: Call, next: Next<Call>| {
            let seen = Arc::clone(&inner);
            async move {
                log(&seen, format!("inner {}", call.method()));
                let answer = next.run(call).await;
                log(
                    &seen,
                    format!("inner got {:?}", answer.as_ref().err().map(|error| error.code().to_owned())),
                );
                answer.or(Reply::result("mended"))
            }
        })
        .call("fail", move |_: Call| {
            log(&handler, "handler");
            async { Err(Error::NOT_FOUND) }
        });
    let service = Builder::new("test")
        .around(move |call: Call, next: Next<Call>| {
            log(&outer, "outer");
            next.run(call)
        })
        .resource(resource)
        .start(world.connect().await)
        .await
        .unwrap();
    assert_eq!(world.ask("call.test.x.fail", "{}").await, json!({"result": "mended"}));
    let expected = ["outer", "inner fail", "handler", r#"inner got Some("system.notFound")"#];
    assert_eq!(*seen.lock().unwrap(), expected);
    let unknown = world.ask("call.test.x.other", "{}").await;
    assert_eq!(unknown["error"]["code"], "system.methodNotFound");
    assert_eq!(seen.lock().unwrap().len(), 4, "what no handler is asked comes by no middleware");
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn middleware_stands_around_one_kind_of_request_and_can_refuse_it() {
    let world = World::new().await;
    let reads = Arc::new(AtomicU64::new(0));
    let reading = Arc::clone(&reads);
    let resource = Resource::model("x", |_: Get| async { Model::from_serialize(&json!({"secret": 1})) })
        .access(|_: Access| async { Ok(Grant::all()) })
        .call("change", |_: Call| async { Ok(Reply::null()) })
        .auth("enter", |_: Auth| async { Ok(Reply::null()) });
    let service = Builder::new("test")
        .around(|access: Access, next: Next<Access>| async move {
            if access.cid().is_empty() { Err(Error::ACCESS_DENIED) } else { next.run(access).await }
        })
        .around(|_: Auth, _: Next<Auth>| async { Err(Error::custom("test.closed", "Closed")) })
        .around(move |get: Get, next: Next<Get>| {
            reading.fetch_add(1, Ordering::SeqCst);
            async move {
                next.run(get).await?;
                Ok(Snapshot::from(Model::from_serialize(&json!({"secret": null}))?))
            }
        })
        .resource(resource)
        .start(world.connect().await)
        .await
        .unwrap();
    assert_eq!(world.ask("access.test.x", "{}").await["error"]["code"], "system.accessDenied");
    let granted = world.ask("access.test.x", r#"{"cid":"c"}"#).await;
    assert_eq!(granted, json!({"result": {"get": true, "call": "*"}}));
    assert_eq!(world.ask("auth.test.x.enter", "{}").await["error"]["code"], "test.closed");
    assert_eq!(world.ask("call.test.x.change", "{}").await, json!({"result": null}));
    assert_eq!(world.ask("get.test.x", "{}").await, json!({"result": {"model": {"secret": null}}}));
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    service.refresh_now("test.x").await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 2, "a refresh reads through the same middleware");
    service.stop(PATIENCE).await.unwrap();
}

fn traced() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", PARENT);
    headers.insert("tracestate", "a=1");
    headers
}

fn trace_of(message: &Message) -> Option<(&str, &str)> {
    let headers = message.headers.as_ref()?;
    Some((headers.get("traceparent")?.as_str(), headers.get("tracestate")?.as_str()))
}

/// What is published from now on.
async fn listen(world: &World, subject: &'static str) -> Subscriber {
    let client = world.connect().await;
    let messages = client.subscribe(subject).await.unwrap();
    round_trip(&client).await;
    messages
}

async fn next_on(events: &mut Subscriber, subject: &str) -> Message {
    let next = async {
        loop {
            let message = events.next().await.expect("the connection lives");
            if message.subject.as_str() == subject {
                return message;
            }
        }
    };
    tokio::time::timeout(PATIENCE, next)
        .await
        .unwrap_or_else(|_| panic!("nothing was published on {subject}"))
}

/// Two replicas of a service with one counter, which the first owns.
async fn counters(world: &World) -> Vec<Service> {
    let count = Arc::new(AtomicU64::new(0));
    let lease = MemoryLease::new(Duration::from_secs(10));
    let mut services = Vec::new();
    for replica in ["owner", "other"] {
        let (read, add) = (Arc::clone(&count), Arc::clone(&count));
        let resource = Resource::model("counter", move |_: Get| {
            let count = read.load(Ordering::SeqCst);
            async move { Model::from_serialize(&json!({ "count": count })) }
        })
        .changes_per_second_max(0)
        .call("add", move |call: Call| {
            add.fetch_add(1, Ordering::SeqCst);
            async move {
                call.service().emit(call.name(), "counted", &json!({})).await?;
                call.service().set_token("cid1", &json!({"user": 1}), None).await?;
                call.service().refresh(call.name()).await?;
                let parent = call.trace_context().map(|context| context.parent().to_owned());
                Reply::result(&(call.service().replica(), parent))
            }
        });
        let builder = Builder::new("test").replica(replica).lease(lease.clone()).resource(resource);
        let service = builder.start(world.connect().await).await.unwrap();
        if replica == "owner" {
            eventually("the owner owns", || service.owns("name.0"), Option::is_some).await;
        }
        services.push(service);
    }
    let answer = world.ask("get.test.counter", "{}").await;
    assert_eq!(answer, json!({"result": {"model": {"count": 0}}}));
    services
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_request_causes_carries_its_trace_also_where_another_replica_owns_the_resource() {
    let world = World::new().await;
    let services = counters(&world).await;
    let mut events = listen(&world, ">").await;
    let mut answered_by = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let asked = world.client.request_with_headers("call.test.counter.add", traced(), "{}".into());
        let answer: serde_json::Value = serde_json::from_slice(&asked.await.unwrap().payload).unwrap();
        assert_eq!(answer["result"][1], PARENT);
        answered_by.insert(answer["result"][0].as_str().unwrap().to_owned());
        for subject in ["event.test.counter.counted", "conn.cid1.token", "event.test.counter.change"] {
            let message = next_on(&mut events, subject).await;
            assert_eq!(trace_of(&message), Some((PARENT, "a=1")), "{message:?}");
        }
        if answered_by.len() == 2 {
            break;
        }
    }
    assert_eq!(answered_by.len(), 2, "the server gives calls to both replicas");
    world.client.request("call.test.counter.add", Bytes::from_static(b"{}")).await.unwrap();
    let change = next_on(&mut events, "event.test.counter.change").await;
    assert_eq!(change.headers, None, "what belongs to no trace says none");

    let context = TraceContext::new(PARENT, None).unwrap();
    context.scope(services[0].emit("test.counter", "outside", &json!({}))).await.unwrap();
    let message = next_on(&mut events, "event.test.counter.outside").await;
    assert_eq!(message.headers.unwrap().get("traceparent").unwrap().as_str(), PARENT);
    for service in services {
        service.stop(PATIENCE).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_too_large_with_its_trace_goes_without_it() {
    let world = World::with("max_payload: 8192").await;
    let size = Arc::new(AtomicU64::new(1));
    let read = Arc::clone(&size);
    let resource = Resource::model("x", move |_: Get| {
        let text = "a".repeat(usize::try_from(read.load(Ordering::SeqCst)).unwrap());
        async move { Model::from_serialize(&json!({ "text": text })) }
    });
    let service = Builder::new("test").resource(resource).start(world.connect().await);
    let service = service.await.unwrap();
    world.ask("get.test.x", "{}").await;
    let mut events = listen(&world, "event.>").await;
    size.store(8100, Ordering::SeqCst);
    let context = TraceContext::new(PARENT, Some(&"s".repeat(4000))).unwrap();
    context.scope(service.refresh_now("test.x")).await.unwrap();
    let change = next_on(&mut events, "event.test.x.change").await;
    assert_eq!((change.payload.len() > 8100, change.headers), (true, None));
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_may_come_from_a_thread_that_is_not_the_runtimes() {
    let world = World::new().await;
    let count = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&count);
    let resource = Resource::model("x", move |_: Get| {
        let count = read.load(Ordering::SeqCst);
        async move { Model::from_serialize(&json!({ "count": count })) }
    });
    let service = Builder::new("test").resource(resource).start(world.connect().await);
    let service = service.await.unwrap();
    world.ask("get.test.x", "{}").await;
    let mut events = listen(&world, "event.>").await;
    for number in 1..=3 {
        count.store(number, Ordering::SeqCst);
        let handle = service.clone();
        std::thread::spawn(move || handle.try_refresh("test.x").unwrap()).join().expect("no panic");
        let change = next_on(&mut events, "event.test.x.change").await;
        assert_eq!(change.payload, Bytes::from(json!({"values": {"count": number}}).to_string()));
    }
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_call_deletes_carries_its_trace_in_its_turn_and_out_of_it() {
    let world = World::new().await;
    let thing = |pattern| {
        Resource::model(pattern, |_: Get| async { Model::from_serialize(&json!({})) }).call(
            "remove",
            |call: Call| async move {
                call.service().delete(call.name()).await?;
                Ok(Reply::null())
            },
        )
    };
    let builder =
        Builder::new("test").resource(thing("free").calls_side_by_side()).resource(thing("ordered"));
    let service = builder.start(world.connect().await).await.unwrap();
    let mut events = listen(&world, "event.>").await;
    for name in ["free", "ordered"] {
        world.ask(&format!("get.test.{name}"), "{}").await;
        let subject = format!("call.test.{name}.remove");
        let answer = world.client.request_with_headers(subject, traced(), "{}".into()).await.unwrap();
        assert_eq!(answer.payload.as_ref(), br#"{"result":null}"#);
        let message = next_on(&mut events, &format!("event.test.{name}.delete")).await;
        assert_eq!(trace_of(&message), Some((PARENT, "a=1")), "{message:?}");
    }
    service.stop(PATIENCE).await.unwrap();
}
