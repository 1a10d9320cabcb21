//! Requests that no gateway would send: each is answered once, and the service lives on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use res_service::test_kit::Session;
use res_service::{Access, Auth, Builder, Call, Collection, Get, Grant, Model, Reply, Resource};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World};

/// Every kind of resource, with patterns that match nearly anything.
fn everything() -> Builder {
    let model = |pattern: &str| {
        Resource::model(
            pattern,
            |get: Get| async move { Model::from_serialize(&json!({"name": get.name()})) },
        )
        .access(|access: Access| async move {
            let _: Option<Value> = access.token()?;
            Ok(Grant::all())
        })
        .call(
            "*",
            |call: Call| async move { Reply::result(&json!([call.method(), call.params::<Value>()?])) },
        )
        .auth("*", |auth: Auth| async move {
            Reply::result(&json!([auth.method(), auth.cookie("a"), auth.uri()]))
        })
    };
    Builder::new("test")
        .resource(model(""))
        .resource(model("item.$id").owned_by("item.$id").group("item.$id"))
        .resource(model("item.$id.$other").owned_by_name(4))
        .resource(model("all.>"))
        .resource(Resource::collection("list", |get: Get| async move {
            let query = get.query().unwrap_or_default();
            Ok(Collection::from_serialize(&[query])?.query(query))
        }))
}

fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => prop::sample::select(vec!["test", "item", "all", "list", "x"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["", "*", ">", "$", "é", "\u{1f3ab}", "?", "end"]).prop_map(str::to_owned),
        1 => "[!-~]{1,12}",
        1 => "[a-z]{900,1200}",
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| [vec!["test".to_owned()], parts].concat().join("."))
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let json = prop::sample::select(vec![
        "",
        "{}",
        "null",
        "[]",
        "{",
        r#"{"query":"q"}"#,
        r#"{"query":1}"#,
        r#"{"params":{"a":[1]}}"#,
        r#"{"cid":"c","cid":"d"}"#,
        r#"{"token":{"a":1},"isHttp":true}"#,
        r#"{"header":{"Cookie":["a=b; c"]},"uri":"/"}"#,
        r#"{"header":[]}"#,
    ]);
    prop_oneof![
        3 => json.prop_map(|json| json.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
        1 => (1_usize..5_000).prop_map(|levels| format!("{{\"params\":{}{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes()),
    ]
}

/// One message to the service.
#[derive(Debug, Clone)]
struct Strange {
    subject: String,
    payload: Vec<u8>,
    headers: Vec<(String, String)>,
}

fn strange(replica: &str) -> impl Strategy<Value = Strange> + use<> {
    let request = (prop::sample::select(vec!["get", "access", "call", "auth"]), name())
        .prop_map(|(kind, name)| (format!("{kind}.{name}"), Vec::new()));
    let between = prop::sample::select(vec![
        format!("res.forward.test.{replica}"),
        format!("res.refresh.test.{replica}"),
        "res.forward.test".to_owned(),
        "res.refresh.test".to_owned(),
    ]);
    let header_names =
        prop::sample::select(vec!["Res-Reply", "Res-Subject", "Res-Get", "traceparent", "tracestate"]);
    let trace = "0[0-9a-g]-[0-9a-f]{31,33}-[0-9a-f]{15,17}-0[01](-x)?";
    let header = (
        header_names,
        prop_oneof![
            name(),
            name().prop_map(|name| format!("get.{name}")),
            "[ -~]{0,20}",
            "[0-9a-f]{0,40}",
            trace
        ],
    );
    let header = header.prop_map(|(name, value)| (name.to_owned(), value));
    let between = (between, prop::collection::vec(header, 0..4));
    let query = format!("res.query.test.{replica}");
    let query = name().prop_map(move |name| (format!("{query}.{name}"), Vec::new()));
    let to = prop_oneof![4 => request, 1 => between, 1 => query];
    (to, payload(), name()).prop_map(|((subject, headers), payload, name)| {
        let payload = if subject.starts_with("res.refresh") { name.into_bytes() } else { payload };
        Strange { subject, payload, headers }
    })
}

/// Whether a subject is one that a gateway could ask for.
fn is_regular(subject: &str) -> bool {
    let good = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>' | b'?'))
    };
    let parts = subject.split('.').count();
    let method = subject.starts_with("call.") || subject.starts_with("auth.");
    subject.split('.').all(good) && !subject.starts_with("res.") && parts >= if method { 3 } else { 2 }
}

fn assert_answer(payload: &Bytes, strange: &Strange) {
    let answer: Value = serde_json::from_slice(payload).unwrap_or_else(|_| panic!("no JSON for {strange:?}"));
    let kinds = ["result", "resource", "error"].iter().filter(|kind| answer.get(kind).is_some()).count();
    assert_eq!(kinds, 1, "{answer} for {strange:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_asked_is_answered_once_and_the_service_lives_on() {
    let world = World::new().await;
    let service = everything().start(world.connect().await).await.unwrap();
    let client = world.connect().await;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let mut wire = world.listen().await;
    let count = ProptestConfig::default().cases * 8;
    let mut runner = TestRunner::default();
    let strategy = strange(service.replica());
    let mut sent = Vec::new();
    for number in 0..count {
        let strange = strategy.new_tree(&mut runner).unwrap().current();
        let mut headers = HeaderMap::new();
        for (name, value) in &strange.headers {
            headers.append(name.as_str(), value.as_str());
        }
        let (subject, payload) = (strange.subject.clone(), Bytes::from(strange.payload.clone()));
        // Room for all at a time is not what this test is about.
        if number % 512 == 511 {
            service.barrier().await.unwrap();
            client.flush().await.unwrap();
        }
        let reply = format!("{inbox}.{number}");
        client.publish_with_reply_and_headers(subject, reply, headers, payload).await.unwrap();
        sent.push(strange);
    }
    client.publish_with_reply("call.test.ping", format!("{inbox}.last"), Bytes::new()).await.unwrap();
    let mut answers: HashMap<usize, u32> = HashMap::new();
    let regular = sent.iter().filter(|strange| is_regular(&strange.subject)).count() + 1;
    let mut answered = 0;
    while answered < regular {
        let reply = tokio::time::timeout(PATIENCE, replies.next()).await;
        let unanswered = || {
            let open = |number: &usize| is_regular(&sent[*number].subject) && !answers.contains_key(number);
            (0..sent.len()).find(open).map(|number| &sent[number])
        };
        let reply = reply
            .unwrap_or_else(|_| {
                let connects = [service.client(), &client]
                    .map(|client| client.statistics().connects.load(Ordering::Relaxed));
                panic!(
                    "{answered} of {regular} answers, after {connects:?} connects; none to {:?}",
                    unanswered()
                )
            })
            .unwrap();
        let number = reply.subject.rsplit('.').next().unwrap();
        let Ok(number) = number.parse::<usize>() else {
            answered += 1;
            continue;
        };
        // Some subjects are such that nobody is asked at all.
        let nobody = reply.status == Some(async_nats::StatusCode::NO_RESPONDERS);
        if nobody || reply.payload.first().is_some_and(u8::is_ascii_alphabetic) {
            continue;
        }
        answered += usize::from(is_regular(&sent[number].subject));
        assert_answer(&reply.payload, &sent[number]);
        *answers.entry(number).or_default() += 1;
    }
    assert!(answers.values().all(|answers| *answers == 1));
    assert_eq!(service.statistics().handler_panics.get(), 0);
    // A refresh has gateways ask for the state of each query.
    let is_change = |subject: &str| subject.starts_with("event.") && subject != "event.test.list.query";
    assert!(wire.is_silent(is_change).await, "nothing has changed");
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn what_no_gateway_can_ask_for_does_not_reach_a_handler() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let resource = Resource::model("item.$id", move |_: Get| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Model::from_serialize(&json!({})) }
    });
    let counted = Arc::clone(&asked);
    let resource = resource.call("*", move |_: Call| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(Reply::null()) }
    });
    let session = Session::start(Builder::new("test").resource(resource)).await;
    for part in ["*", ">", "é", "a?b"] {
        for (subject, code) in
            [("get.test.item.", "system.notFound"), ("call.test.item.1.", "system.methodNotFound")]
        {
            let subject = format!("{subject}{part}");
            let answer = session.nats().request(subject.clone(), Bytes::new()).await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
            assert_eq!(answer["error"]["code"], code, "{subject}");
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    session.get("test.item.1").await.model::<Value>();
}

#[tokio::test]
async fn t10_a_refusal_that_is_too_large_is_shortened_and_not_silence() {
    let resource = Resource::new("x")
        .call("typed", |call: Call| async move { Reply::result(&call.params::<HashMap<String, u8>>()?) })
        .call("large", |_: Call| async {
            Err(res_service::Error::custom("test.large", "x".repeat(2_000_000)))
        });
    let session = Session::start(Builder::new("test").resource(resource)).await;
    // Each quotation mark becomes four where serde repeats what it cannot read.
    let error = session.call("test.x", "typed", &json!({"a": "\"".repeat(400_000)})).await.error();
    assert_eq!(error.code(), "system.invalidParams");
    assert!(error.message().len() < 1_000 && error.message().contains(" … "), "{}", error.message().len());
    let error = session.call("test.x", "large", &()).await.error();
    assert_eq!(error, res_service::Error::INTERNAL_ERROR);
    assert_eq!(session.service().statistics().error_replies.get(), 2);
}
