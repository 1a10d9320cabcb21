//! What makes gateways ask again, and what does not.

use std::time::{Duration, Instant};

use res_service::{Builder, Error, Get, Model, Resource};
use serde_json::{Value, json};

use crate::changes::{Truth, collection, is_change, model, next, start, start_with};
use crate::world::{PATIENCE, Wire, World, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_a_started_service_resets_all_it_has_once_it_listens_and_once_more() {
    let world = World::new().await;
    let mut wire = world.listen().await;
    let service = Builder::new("test")
        .request_timeout(Duration::from_millis(100))
        .resource(model("m", &Truth::new(json!({}))))
        .start(world.connect().await)
        .await
        .unwrap();
    let reset = ("system.reset".to_owned(), r#"{"resources":["test","test.>"]}"#.to_owned());
    let started = Instant::now();
    assert_eq!(wire.next().await, reset);
    assert_eq!(wire.next().await, reset);
    assert!(
        started.elapsed() >= Duration::from_millis(1000),
        "not before the requests of the first have ended"
    );
    service.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_changed_beyond_measure_is_announced_by_one_reset() {
    let world = World::new().await;
    let truth = Truth::new(json!((0..400).collect::<Vec<_>>()));
    let service = start(&world, collection("l", &truth)).await;
    world.ask("get.test.l", "").await;
    let mut wire = world.listen().await;
    truth.set(Ok(json!((1000..1400).collect::<Vec<_>>())));
    service.refresh_now("test.l").await.unwrap();
    let only = ("system.reset".to_owned(), r#"{"resources":["test.l"]}"#.to_owned());
    assert_eq!(wire.next_where(|subject| is_change(subject) || subject == "system.reset").await, only);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d09_a_failing_database_never_deletes_and_is_retried_then_reset() {
    let world = World::new().await;
    let truth = Truth::new(json!({"a": 1}));
    let service = start(&world, model("m", &truth)).await;
    world.ask("get.test.m", "").await;
    let mut wire = world.listen().await;
    truth.set(Err(Error::internal("the database is down")));
    let failed = service.refresh_now("test.m").await.unwrap_err();
    assert_eq!(failed.code(), "system.internalError");
    truth.set(Ok(json!({"a": 2})));
    assert_eq!(
        next(&mut wire).await,
        ("event.test.m.change".to_owned(), r#"{"values":{"a":2}}"#.to_owned()),
        "the refresh is tried again by itself"
    );
    truth.set(Err(Error::internal("the database is down for long")));
    service.refresh("test.m").await.unwrap();
    let (subject, payload) = wire.next_where(|s| s == "system.reset" || is_change(s)).await;
    assert_eq!((subject.as_str(), payload.as_str()), ("system.reset", r#"{"resources":["test.m"]}"#));
    assert_eq!(service.statistics().refresh_failures.get(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d08_a_failed_get_is_followed_by_a_reset_of_that_resource() {
    let world = World::new().await;
    let truth = Truth::new(json!({"a": 1}));
    let _service = start(&world, model("m", &truth)).await;
    let mut wire = world.listen().await;
    for (error, code) in [
        (Error::internal("the database is down"), "system.internalError"),
        // A gateway that was refreshing keeps its old state after any error but "not found".
        (Error::custom("test.closed", "Closed for the night"), "test.closed"),
    ] {
        truth.set(Err(error));
        assert_eq!(world.ask("get.test.m", "").await["error"]["code"], code);
        let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
        assert_eq!(payload, r#"{"resources":["test.m"]}"#);
    }
}

/// Else names that fail, each asked for once by somebody who guesses, would take the room for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d09_what_failed_and_is_asked_for_by_nobody_leaves_its_room_to_others() {
    let world = World::new().await;
    let failing = Resource::model("m.$name", |_: Get| async { Err(Error::internal("the database is down")) });
    let builder = Builder::new("test").remembered_max(1).request_timeout(Duration::from_millis(100));
    let _service = builder.resource(failing).start(world.connect().await).await.unwrap();
    let mut wire = world.listen().await;
    // Those of the start are of everything.
    let next_reset = async |wire: &mut Wire| loop {
        let (_, reset) = wire.next_where(|subject| subject == "system.reset").await;
        if !reset.contains("test.>") {
            return reset;
        }
    };
    world.ask("get.test.m.guessed", "").await;
    assert_eq!(next_reset(&mut wire).await, r#"{"resources":["test.m.guessed"]}"#);
    let deadline = Instant::now() + PATIENCE;
    let mut asked = tokio::time::interval(Duration::from_millis(200));
    let reset = loop {
        tokio::select! {
            reset = next_reset(&mut wire) => break reset,
            _ = asked.tick() => { world.ask("get.test.m.wanted", "").await; }
        }
        assert!(Instant::now() < deadline, "there is no room for another");
    };
    assert_eq!(reset, r#"{"resources":["test.m.wanted"]}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d09_nobody_is_made_to_ask_a_service_that_has_stopped() {
    let world = World::new().await;
    let truth = Truth::new(json!({"a": 1}));
    let stopped = start(&world, model("m", &truth)).await;
    truth.set(Err(Error::internal("the database is down")));
    assert_eq!(world.ask("get.test.m", "").await["error"]["code"], "system.internalError");
    stopped.stop(PATIENCE).await.unwrap();
    let mut wire = world.listen().await;
    // The second failure of a service is followed up later after it than any first one.
    let other = Builder::new("other")
        .request_timeout(Duration::from_secs(60))
        .resource(Resource::model("m", |_: Get| async { Err(Error::internal("broken")) }));
    let _other = other.start(world.connect().await).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.ask("get.other.m", "").await["error"]["code"], "system.internalError");
        let is_single = |(_, payload): &(String, String)| !payload.contains(".>");
        let mut reset = wire.next_where(|subject| subject == "system.reset").await;
        while !is_single(&reset) {
            reset = wire.next_where(|subject| subject == "system.reset").await;
        }
        assert_eq!(reset.1, r#"{"resources":["other.m"]}"#);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_fit_into_messages_however_long_the_names_are() {
    let world = World::with("max_payload: 4096").await;
    let truth = Truth::new(json!({"a": 1}));
    let service =
        start_with(&world, Builder::new("test").remembered_max(1).resource(model("m.$name", &truth))).await;
    let mut wire = world.listen().await;
    let long = |number: usize| format!("test.m.{number}{}", "x".repeat(500));
    for number in 0..20 {
        world.ask(&format!("get.{}", long(number)), "").await;
    }
    let mut reset: Vec<String> = Vec::new();
    while reset.len() < 19 {
        let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
        assert!(payload.len() <= 4096);
        let names: Value = serde_json::from_str(&payload).unwrap();
        reset.extend(
            names["resources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()),
        );
    }
    reset.sort();
    let mut given_up: Vec<String> = (0..19).map(long).collect();
    given_up.sort();
    assert_eq!(reset, given_up);
    let names: Vec<String> = (0..20).map(long).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    service.reset(&names, &names[..5]).await.unwrap();
    let mut told = (0, 0);
    while told != (20, 5) {
        let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
        let patterns: Value = serde_json::from_str(&payload).unwrap();
        let count = |of: &str| patterns[of].as_array().map_or(0, Vec::len);
        told = (told.0 + count("resources"), told.1 + count("access"));
        assert!(told.0 <= 20 && told.1 <= 5, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_s03_s04_s07_tokens_and_resets_are_written_as_the_protocol_has_them() {
    let world = World::new().await;
    let service = start(&world, model("m", &Truth::new(json!({})))).await;
    let mut wire = world.listen().await;
    service.set_token("c1", &json!({"u": 1}), None).await.unwrap();
    service.set_token("c1", &(), None).await.unwrap();
    service.reset(&["test.*.x.>"], &["test.m"]).await.unwrap();
    service.reset(&[], &["test.>"]).await.unwrap();
    service.reset_tokens(&["t1", "t2"], "auth.identity.session.renew").await.unwrap();
    service.reset_tokens(&[], "auth.identity.session.renew").await.unwrap();
    for (subject, payload) in [
        ("conn.c1.token", r#"{"token":{"u":1}}"#),
        ("conn.c1.token", r#"{"token":null}"#),
        ("system.reset", r#"{"resources":["test.*.x.>"],"access":["test.m"]}"#),
        ("system.reset", r#"{"access":["test.>"]}"#),
        ("system.tokenReset", r#"{"subject":"auth.identity.session.renew","tids":["t1","t2"]}"#),
    ] {
        assert_eq!(wire.next().await, (subject.to_owned(), payload.to_owned()));
    }
    assert!(service.set_token("c.1", &(), None).await.is_err());
    assert!(service.reset(&["a.>.b"], &[]).await.is_err());
    assert!(service.reset_tokens(&["t"], "call.x.y").await.is_err());
    assert!(wire.is_silent(|subject| subject.starts_with("conn.") || subject == "system.tokenReset").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_remembered_resources_are_given_up_by_a_reset_of_each() {
    let world = World::new().await;
    let builder = Builder::new("test").remembered_max(2).resource(
        Resource::model("m.$id", |_: Get| async { Model::from_serialize(&json!({})) }).owned_by_name(4),
    );
    let service = start_with(&world, builder).await;
    let mut wire = world.listen().await;
    for id in [1, 2, 1, 3] {
        world.ask(&format!("get.test.m.{id}"), "").await;
    }
    let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
    assert_eq!(payload, r#"{"resources":["test.m.2"]}"#, "the one that was asked for longest ago");
    world.ask("get.test.m.4", "").await;
    let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
    assert_eq!(payload, r#"{"resources":["test.m.1"]}"#, "the one that was asked for longest ago by now");
    assert_eq!(service.statistics().remembered.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_without_an_owner_is_announced_by_a_reset_of_it() {
    let world = World::new().await;
    let model = Resource::model("m.$id", |_: Get| async { Model::from_serialize(&json!({})) });
    let service = start(&world, model.unowned()).await;
    let mut wire = world.listen().await;
    service.refresh("test.m.1?x=1").await.unwrap();
    let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
    assert_eq!(payload, r#"{"resources":["test.m.1"]}"#);
    assert!(!service.try_refresh("test.m.1").unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_coming_back_makes_gateways_ask_again() {
    let world = World::new().await;
    let client = world.connect().await;
    let service = Builder::new("test")
        .request_timeout(Duration::from_secs(60))
        .resource(model("m", &Truth::new(json!({}))))
        .start(client.clone())
        .await
        .unwrap();
    let mut wire = world.listen().await;
    eventually("the reset of the start is out", || service.statistics().resets_published.get(), |n| *n == 1)
        .await;
    client.force_reconnect().await.unwrap();
    loop {
        let (_, payload) = wire.next_where(|subject| subject == "system.reset").await;
        assert_eq!(payload, r#"{"resources":["test","test.>"]}"#);
        if service.statistics().reconnects.get() == 1 {
            break;
        }
    }
    assert_eq!(world.ask("get.test.m", "").await, json!({"result": {"model": {}}}));
}
