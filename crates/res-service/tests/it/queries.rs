//! Query resources on the wire: what is said when they change, end, or cannot be read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use res_service::{Builder, Collection, Error, Get, Resource, Service};
use serde_json::{Value, json};

use crate::world::{Wire, World};

/// What the resource answers with and without a query.
#[derive(Clone)]
struct Truth {
    queries: Result<(), Error>,
    plain: Result<(), Error>,
}

async fn service(world: &World, truth: &Arc<Mutex<Truth>>) -> Service {
    let truth = Arc::clone(truth);
    let list = Resource::collection("list", move |get: Get| {
        let truth = truth.lock().unwrap().clone();
        async move {
            match get.query() {
                Some(query) => {
                    truth.queries?;
                    let mut parts: Vec<&str> = query.split('&').collect();
                    parts.sort_unstable();
                    Ok(Collection::from_serialize(&parts)?.query(parts.join("&")))
                }
                None => truth.plain.and_then(|()| Collection::from_serialize(&["plain"])),
            }
        }
    });
    Builder::new("test")
        .request_timeout(Duration::from_secs(60))
        .resource(list.changes_per_second_max(0))
        .start(world.connect().await)
        .await
        .unwrap()
}

fn truth() -> Arc<Mutex<Truth>> {
    Arc::new(Mutex::new(Truth { queries: Ok(()), plain: Ok(()) }))
}

/// The next thing said of the list: the name of a change, or a reset.
async fn next(wire: &mut Wire) -> (String, Value) {
    let said = |subject: &str| subject.starts_with("event.test.list.") || subject == "system.reset";
    loop {
        let (subject, payload) = wire.next_where(said).await;
        let payload = serde_json::from_str(&payload).unwrap_or_default();
        if payload != json!({"resources": ["test", "test.>"]}) {
            return (subject.trim_start_matches("event.test.list.").to_owned(), payload);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q02_q09_a_refresh_is_one_query_change_with_a_subject_that_answers_each_query() {
    let world = World::new().await;
    let service = service(&world, &truth()).await;
    for query in ["a&b", "b&a", "c"] {
        world.ask("get.test.list", json!({"query": query}).to_string()).await;
    }
    let mut wire = world.listen().await;
    service.refresh_now("test.list").await.unwrap();
    service.refresh_now("test.list").await.unwrap();
    for _ in 0..2 {
        let (change, payload) = next(&mut wire).await;
        assert_eq!(change, "query");
        assert_eq!(payload.as_object().unwrap().len(), 1, "{payload}");
        let subject = payload["subject"].as_str().unwrap();
        for (query, items) in [("a&b", json!(["a", "b"])), ("c", json!(["c"]))] {
            let answer = world.ask(subject, json!({"query": query}).to_string()).await;
            assert_eq!(answer, json!({"result": {"collection": items}}));
        }
    }
    assert!(wire.is_silent(|subject| subject.starts_with("event.")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q06_a_query_that_cannot_be_answered_is_followed_by_a_reset() {
    let world = World::new().await;
    let truth = truth();
    let service = service(&world, &truth).await;
    world.ask("get.test.list", r#"{"query":"a"}"#).await;
    let mut wire = world.listen().await;
    truth.lock().unwrap().queries = Err(Error::internal("the database is down"));
    service.refresh_now("test.list").await.unwrap();
    let (_, payload) = next(&mut wire).await;
    let subject = payload["subject"].as_str().unwrap().to_owned();
    assert_eq!(world.ask(&subject, r#"{"query":"a"}"#).await["error"]["code"], "system.internalError");
    assert_eq!(next(&mut wire).await, ("system.reset".to_owned(), json!({"resources": ["test.list"]})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e15_e09_q05_a_delete_is_also_a_query_change_where_somebody_asked_with_a_query() {
    let world = World::new().await;
    let truth = truth();
    let service = service(&world, &truth).await;
    world.ask("get.test.list", "").await;
    let mut wire = world.listen().await;
    service.delete("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await, ("delete".to_owned(), Value::Null));
    service.reaccess("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await.0, "reaccess", "nothing was asked with a query until now");

    world.ask("get.test.list", r#"{"query":"a"}"#).await;
    *truth.lock().unwrap() = Truth { queries: Err(Error::NOT_FOUND), plain: Err(Error::NOT_FOUND) };
    service.delete("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await.0, "delete");
    let (change, payload) = next(&mut wire).await;
    assert_eq!(change, "query");
    let subject = payload["subject"].as_str().unwrap();
    assert_eq!(world.ask(subject, r#"{"query":"a"}"#).await["error"]["code"], "system.notFound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e15_e09_a_delete_of_what_nobody_owns_is_also_a_reset_of_it() {
    let world = World::new().await;
    let list = Resource::collection("list", |_: Get| async { Err(Error::NOT_FOUND) }).unowned();
    let service = Builder::new("test").resource(list).start(world.connect().await).await.unwrap();
    let mut wire = world.listen().await;
    service.delete("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await, ("delete".to_owned(), Value::Null));
    assert_eq!(next(&mut wire).await, ("system.reset".to_owned(), json!({"resources": ["test.list"]})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e15_e11_a_reaccess_is_also_a_reset_of_access_where_somebody_may_have_asked_with_a_query() {
    let world = World::new().await;
    let service = service(&world, &truth()).await;
    world.ask("get.test.list", r#"{"query":"a"}"#).await;
    let mut wire = world.listen().await;
    service.reaccess("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await, ("reaccess".to_owned(), Value::Null));
    assert_eq!(next(&mut wire).await, ("system.reset".to_owned(), json!({"access": ["test.list"]})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q01_queries_are_remembered_when_there_is_nothing_without_one() {
    let world = World::new().await;
    let truth = truth();
    let service = service(&world, &truth).await;
    world.ask("get.test.list", r#"{"query":"a"}"#).await;
    world.ask("get.test.list", "").await;
    let mut wire = world.listen().await;
    truth.lock().unwrap().plain = Err(Error::NOT_FOUND);
    service.refresh_now("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await.0, "delete", "what was there without a query is gone");
    assert_eq!(next(&mut wire).await.0, "query");
    assert_eq!(world.ask("get.test.list", "").await["error"]["code"], "system.notFound");
    service.refresh_now("test.list").await.unwrap();
    assert_eq!(next(&mut wire).await.0, "query");
}
