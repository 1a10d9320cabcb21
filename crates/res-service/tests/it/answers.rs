//! Exactly one answer for each request, whatever becomes of its handler, and nothing in it that does not belong there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use futures::StreamExt;
use res_service::{
    Access, Auth, Builder, Call, Collection, Error, Get, Grant, Model, Reply, Resource, Service,
};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, eventually, round_trip};

/// Handlers that end in every way there is.
async fn service(world: &World) -> Service {
    let answers = Resource::model("x", |_: Get| async { Model::from_serialize(&json!({"a": 1})) })
        .access(|_: Access| async { Ok(Grant::get()) })
        .call("null", |_: Call| async { Ok(Reply::null()) })
        .call("text", |_: Call| async { Reply::result("") })
        .call("resource", |_: Call| async { Reply::resource("test.x") })
        .call("error", |_: Call| async { Ok(Reply::error(Error::NOT_FOUND).status(404)) })
        .call("failure", |_: Call| async { Err(Error::custom("test.no", "")) })
        .call("large", |_: Call| async { Reply::result(&"x".repeat(5000)) })
        .call("panic", |call: Call| async move {
            assert_eq!(call.method(), "", "a panic");
            Ok(Reply::null())
        })
        .call("hang", |_: Call| async { std::future::pending().await })
        .call("slow", |_: Call| async {
            tokio::time::sleep(Duration::from_millis(1200)).await;
            Ok(Reply::null())
        })
        .auth("login", |_: Auth| async { Ok(Reply::null()) });
    Builder::new("test")
        .handler_time_max(Duration::from_millis(1500))
        .resource(answers)
        .resource(Resource::collection("empty", |_: Get| async { Collection::from_serialize(&[(); 0]) }))
        .resource(Resource::model("gone", |_: Get| async { Err(Error::NOT_FOUND) }))
        .resource(Resource::model("broken", |_: Get| async { Err(Error::internal("down")) }))
        .resource(Resource::model("denied", |_: Get| async { Model::from_serialize(&json!({})) }))
        .start(world.connect().await)
        .await
        .unwrap()
}

const REQUESTS: [&str; 19] = [
    "call.test.x.null",
    "call.test.x.text",
    "call.test.x.resource",
    "call.test.x.error",
    "call.test.x.failure",
    "call.test.x.large",
    "call.test.x.panic",
    "call.test.x.hang",
    "call.test.x.slow",
    "call.test.x.unheard",
    "call.test.nothing.x",
    "auth.test.x.login",
    "auth.test.x.unheard",
    "get.test.x",
    "get.test.empty",
    "get.test.gone",
    "get.test.broken",
    "access.test.x",
    "access.test.denied",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_r15_r01_every_request_has_one_answer_that_is_never_empty() {
    let world = World::with("max_payload: 4096").await;
    let service = service(&world).await;
    let mut replies = world.client.subscribe("reply.>").await.unwrap();
    round_trip(&world.client).await;
    let payloads = ["", "{}", "{", r#"{"isHttp":true,"cid":"c"}"#];
    for subject in REQUESTS {
        for (number, payload) in payloads.iter().enumerate() {
            let reply = format!("reply.{subject}.{number}");
            world.client.publish_with_reply(subject, reply, (*payload).into()).await.unwrap();
        }
    }
    let mut answered: HashMap<String, u32> = HashMap::new();
    loop {
        let reply = tokio::time::timeout(PATIENCE, replies.next()).await;
        let reply = reply.unwrap_or_else(|_| panic!("some have no answer: {answered:?}")).unwrap();
        if reply.subject.as_str() == "reply.end" {
            break;
        }
        assert!(!reply.payload.is_empty(), "{} is empty", reply.subject);
        if reply.payload.starts_with(b"timeout:") {
            continue;
        }
        let answer: HashMap<String, Value> = serde_json::from_slice(&reply.payload).unwrap();
        let kinds = ["result", "resource", "error"].iter().filter(|kind| answer.contains_key(**kind)).count();
        assert_eq!(kinds, 1, "{}: {answer:?}", reply.subject);
        *answered.entry(reply.subject.to_string()).or_default() += 1;
        if answered.len() == REQUESTS.len() * payloads.len() {
            // All handlers have ended, so whatever would still be said is said before this.
            service.barrier().await.unwrap();
            world.client.publish("reply.end", "end".into()).await.unwrap();
        }
    }
    assert!(answered.values().all(|times| *times == 1), "{answered:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t11_headers_of_a_request_mean_nothing_and_answers_have_none() {
    let world = World::new().await;
    let _service = service(&world).await;
    let mut headers = HeaderMap::new();
    headers.insert("Res-Reply", "elsewhere");
    headers.insert("Res-Subject", "get.test.gone");
    headers.insert("Nats-Expected-Stream", "x");
    headers.insert("Status", "503");
    for subject in ["get.test.x", "call.test.x.null", "auth.test.x.login", "access.test.x"] {
        let answer = world.client.request_with_headers(subject, headers.clone(), "{}".into()).await.unwrap();
        assert!(answer.headers.is_none(), "{subject}: {:?}", answer.headers);
        let plain = world.ask(subject, "{}").await;
        assert_eq!(serde_json::from_slice::<Value>(&answer.payload).unwrap(), plain, "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarded_get_whose_answer_could_go_nowhere_is_refused() {
    let world = World::new().await;
    let owned = Resource::model("m.$n", |_: Get| async { Model::from_serialize(&json!({"a": 1})) });
    let builder = Builder::new("test").resource(owned);
    let service = builder.start(world.connect().await).await.unwrap();
    let to = format!("res.forward.test.{}", service.replica());
    for (reply, answer) in [("", "refused"), ("a b", "refused"), ("a b c", "refused"), ("a", "taken")] {
        let mut headers = HeaderMap::new();
        headers.insert("Res-Reply", reply);
        headers.insert("Res-Subject", "get.test.m.1");
        let acknowledgement =
            world.client.request_with_headers(to.clone(), headers, "".into()).await.unwrap();
        assert_eq!(acknowledgement.payload, answer, "{reply:?}");
    }
    service.barrier().await.unwrap();
    assert_eq!(service.client().statistics().connects.load(Ordering::Relaxed), 1, "the connection was lost");
}

/// What a service cannot read is not the client's fault, and no business of the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_a_handler_could_not_read_is_an_internal_error() {
    let world = World::new().await;
    let stored = Resource::new("stored").call("read", |_: Call| async {
        let stored: u32 = serde_json::from_str("\"secret\"")?;
        Reply::result(&stored)
    });
    let _service = Builder::new("test").resource(stored).start(world.connect().await).await.unwrap();
    let error = world.ask("call.test.stored.read", "{}").await;
    assert_eq!(error, json!({"error": {"code": "system.internalError", "message": "Internal error"}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_that_is_handed_on_again_as_its_acknowledgement_came_late_is_answered_once() {
    let world = World::new().await;
    let gets = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&gets);
    let owned = Resource::model("m.$n", move |_: Get| {
        let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Model::from_serialize(&json!({"n": n})) }
    });
    let service = Builder::new("test").resource(owned).start(world.connect().await).await.unwrap();
    let to = format!("res.forward.test.{}", service.replica());
    let mut answers = world.client.subscribe("answers").await.unwrap();
    for id in [Some("1f"), Some("1f"), Some("2"), None, None, Some("no id"), Some("no id"), Some("1f")] {
        let mut headers = HeaderMap::new();
        headers.insert("Res-Reply", "answers");
        headers.insert("Res-Subject", "get.test.m.1");
        id.into_iter().for_each(|id| headers.insert("Res-Get", id));
        let said = world.client.request_with_headers(to.clone(), headers, "".into()).await.unwrap();
        assert_eq!(said.payload, "taken", "{id:?}");
    }
    // The last one was known, so all others have been queued by then: with this one all of them have been answered.
    let last = world.ask("get.test.m.1", "").await;
    world.client.publish("answers", "the end".into()).await.unwrap();
    let mut answered = 0;
    while answers.next().await.unwrap().payload != "the end" {
        answered += 1;
    }
    assert_eq!(answered, 6, "two ids, two without, two with what is none");
    assert_eq!(last, json!({"result": {"model": {"n": 7}}}));
    assert_eq!(service.statistics().forwards_taken.get(), 6);
}

/// The answer may have been lost with the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_that_is_handed_on_again_after_a_reconnect_is_answered_again() {
    let world = World::new().await;
    let model = Resource::model("m", |_: Get| async { Model::from_serialize(&json!({"a": 1})) });
    let service = Builder::new("test").resource(model).start(world.connect().await).await.unwrap();
    let to = format!("res.forward.test.{}", service.replica());
    let mut answers = world.client.subscribe("answers").await.unwrap();
    let mut hand_on = async || {
        let mut headers = HeaderMap::new();
        headers.insert("Res-Reply", "answers");
        headers.insert("Res-Subject", "get.test.m");
        headers.insert("Res-Get", "1f");
        let said = world.client.request_with_headers(to.clone(), headers, "".into()).await.unwrap();
        assert_eq!(said.payload, "taken");
        let answer = tokio::time::timeout(PATIENCE, answers.next()).await.expect("it is answered").unwrap();
        assert_eq!(answer.payload, r#"{"result":{"model":{"a":1}}}"#);
    };
    hand_on().await;
    service.client().force_reconnect().await.unwrap();
    let connects = || service.client().statistics().connects.load(Ordering::Relaxed);
    eventually("it is connected again", connects, |connects| *connects == 2).await;
    // The server has its subscriptions again when it echoes.
    service.barrier().await.unwrap();
    hand_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g01_g07_a_get_is_answered_alike_whoever_asks_and_never_with_meta() {
    let world = World::new().await;
    let _service = service(&world).await;
    let somebody = r#"{"cid":"c1","token":{"user":"ann"},"isHttp":true,"params":{"a":1}}"#;
    for (subject, answer) in [
        ("get.test.x", json!({"result": {"model": {"a": 1}}})),
        ("get.test.empty", json!({"result": {"collection": []}})),
        ("get.test.gone", json!({"error": {"code": "system.notFound", "message": "Not found"}})),
    ] {
        assert_eq!(world.ask(subject, "").await, answer);
        assert_eq!(world.ask(subject, somebody).await, answer);
    }
}
