//! The examples do what they say. (That of the README's first screen is seen through a gateway by the conformance tests.)

use std::collections::BTreeSet;
use std::time::Instant;

use futures::StreamExt;
use res_service::test_kit::NatsServer;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::example::Example;
use crate::nats::{PATIENCE, server_with};

/// The answer to a request, after what may ask for patience before it.
async fn ask(nats: &NatsServer, subject: &str, payload: Value) -> Value {
    let client = nats.connect().await.unwrap();
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(subject.to_owned(), inbox, payload.to_string().into()).await.unwrap();
    loop {
        let reply = timeout(PATIENCE, replies.next()).await;
        let reply = reply.unwrap_or_else(|_| panic!("{subject} is not answered")).unwrap();
        if !reply.payload.starts_with(b"timeout:") {
            return serde_json::from_slice(&reply.payload).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_takes_an_item_and_refers_to_it() {
    let nats = server_with("").await;
    let example = Example::start(&nats, "list", "shopping.list").await;
    let added = ask(&nats, "call.shopping.list.add", json!({"params": {"name": "Milk"}})).await;
    assert_eq!(added, json!({"resource": {"rid": "shopping.item.1"}}));
    let list = ask(&nats, "get.shopping.list", json!({})).await;
    assert_eq!(list, json!({"result": {"collection": [{"rid": "shopping.item.1"}]}}));
    let item = ask(&nats, "get.shopping.item.1", json!({})).await;
    assert_eq!(item, json!({"result": {"model": {"name": "Milk", "bought": false}}}));
    example.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_lets_those_speak_who_have_entered() {
    let nats = server_with("").await;
    let example = Example::start(&nats, "chat", "chat.room").await;
    let enter = json!({"cid": "c1", "params": {"name": "Ada"}});
    assert!(ask(&nats, "auth.chat.session.enter", enter).await.get("result").is_some());
    let say = |token: Value| json!({"cid": "c1", "token": token, "params": {"text": "Hello"}});
    let refused = ask(&nats, "call.chat.room.say", say(Value::Null)).await;
    assert_eq!(refused["error"]["code"], "system.accessDenied");
    let said = ask(&nats, "call.chat.room.say", say(json!({"name": "Ada"}))).await;
    assert!(said.get("result").is_some(), "{said}");
    let room = ask(&nats, "get.chat.room", json!({})).await;
    assert!(room.to_string().contains("Hello"), "{room}");
    example.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_makes_equal_queries_one() {
    let nats = server_with("").await;
    let example = Example::start(&nats, "search", "towns.all").await;
    let one = ask(&nats, "get.towns.all", json!({"query": "limit=2&start=B"})).await;
    let other = ask(&nats, "get.towns.all", json!({"query": "start=b&limit=2"})).await;
    assert_eq!(one["result"]["collection"], json!(["Berlin", "Bern"]));
    assert_eq!(one, other, "the same query, in other words");
    let wrong = ask(&nats, "get.towns.all", json!({"query": "end=b"})).await;
    assert_eq!(wrong["error"]["code"], "system.invalidQuery");
    example.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_share_the_clocks_and_one_takes_over_all() {
    let nats = server_with("").await;
    let first = Example::start(&nats, "replicas", "clock.of.kitchen").await;
    let owners = async || {
        let mut owners = BTreeSet::new();
        for room in 0..32 {
            let clock = ask(&nats, &format!("get.clock.of.{room}"), json!({})).await;
            owners.insert(clock["result"]["model"]["owner"].as_str().unwrap_or("nobody").to_owned());
        }
        owners
    };
    let of_first = owners().await;
    let second = Example::start(&nats, "replicas", "clock.of.kitchen").await;
    let deadline = Instant::now() + PATIENCE;
    let of_both = loop {
        let owners = owners().await;
        if owners.len() == 2 {
            break owners;
        }
        assert!(Instant::now() < deadline, "the second has no share: {owners:?}");
    };
    first.stop().await;
    assert_eq!(owners().await, &of_both - &of_first);
    second.stop().await;
}
