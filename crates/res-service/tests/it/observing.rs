//! What the observer is told of requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use res_service::{Access, Auth, Builder, Call, Error, Get, Grant, Handled, Model, Reply, Resource, Service};
use serde::Deserialize;
use serde_json::json;

use crate::world::{PATIENCE, World, eventually};

#[derive(Deserialize)]
struct Params {
    #[allow(dead_code)]
    amount: u32,
}

fn resource() -> Resource {
    Resource::model("thing.$id", |get: Get| async move {
        if get.parameter::<String>("id")? == "broken" {
            return Err(Error::internal("the database is down"));
        }
        Model::from_serialize(&json!({"a": 1}))
    })
    .access(|access: Access| async move {
        access.token::<u32>()?;
        Ok(Grant::all())
    })
    .call("set", |call: Call| async move { call.params::<Params>().map(|_| Reply::null()) })
    .call("refuse", |_: Call| async { Ok(Reply::error(Error::custom("test.no", "No"))) })
    .call("panic", |_: Call| async { panic!("on purpose") })
    .call("hang", |_: Call| std::future::pending())
    .call("*", |_: Call| async { Ok(Reply::null()) })
    .auth("enter", |auth: Auth| async move { auth.params::<Params>().map(|_| Reply::null()) })
}

async fn start(world: &World, builder: Builder) -> Service {
    builder
        .handler_time_max(Duration::from_millis(200))
        .resource(resource())
        .start(world.connect().await)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_of_a_handler_is_told_once_with_labels_of_the_declaration() {
    let world = World::new().await;
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let telling = Arc::clone(&told);
    let builder = Builder::new("test").observe(move |handled: &Handled<'_>| {
        let outcome = handled.outcome.map_or_else(|error| error.code().to_owned(), |()| "ok".to_owned());
        assert!(handled.elapsed < PATIENCE);
        let method = handled.method.unwrap_or("-");
        telling.lock().unwrap().push(format!("{} {} {method} {outcome}", handled.kind, handled.pattern));
    });
    let service = start(&world, builder).await;
    for (subject, payload) in [
        ("get.test.thing.1", "{}"),
        ("get.test.thing.broken", "{}"),
        ("access.test.thing.1", "{}"),
        ("access.test.thing.1", r#"{"token":"no number"}"#),
        ("call.test.thing.1.set", r#"{"params":{"amount":1}}"#),
        ("call.test.thing.1.set", r#"{"params":{"amount":"x"}}"#),
        ("call.test.thing.1.refuse", "{}"),
        ("call.test.thing.1.panic", "{}"),
        ("call.test.thing.1.hang", "{}"),
        ("call.test.thing.1.whatever", "{}"),
        ("auth.test.thing.1.enter", r#"{"params":{"amount":1}}"#),
        // These no handler is asked.
        ("call.test.nothing.there", "{}"),
        ("auth.test.thing.1.unknown", "{}"),
    ] {
        world.ask(subject, payload).await;
    }
    let expected = [
        "get thing.$id - ok",
        "get thing.$id - system.internalError",
        "access thing.$id - ok",
        "access thing.$id - system.accessDenied",
        "call thing.$id set ok",
        "call thing.$id set system.invalidParams",
        "call thing.$id refuse test.no",
        "call thing.$id panic system.internalError",
        "call thing.$id hang system.internalError",
        "call thing.$id * ok",
        "auth thing.$id enter ok",
    ];
    let last = || told.lock().unwrap().last().cloned();
    eventually("the last is told", last, |last| last.as_deref() == expected.last().copied()).await;
    assert_eq!(*told.lock().unwrap(), expected);
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_that_panics_harms_no_request() {
    let world = World::new().await;
    let service = start(&world, Builder::new("test").observe(|_: &Handled<'_>| panic!("on purpose"))).await;
    for _ in 0..2 {
        let answer = world.ask("call.test.thing.1.set", r#"{"params":{"amount":1}}"#).await;
        assert_eq!(answer, json!({"result": null}));
        let answer = world.ask("call.test.thing.1.panic", "{}").await;
        assert_eq!(answer["error"]["code"], "system.internalError");
    }
    service.stop(PATIENCE).await.unwrap();
}
