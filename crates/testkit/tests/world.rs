//! Worlds with real servers, and the client against a real gateway.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use futures::StreamExt;
use livehouse_testkit::{ConnectOptions, ResClient, Template, World};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);

/// A service of one model `t.m`, one collection `t.c` that refers to it, and a method `t.m.double`.
async fn serve(url: &str) -> async_nats::Client {
    let nats = async_nats::connect(url).await.unwrap();
    for subject in ["get.t.>", "access.t.>", "call.t.>", "auth.identity.session.authenticate"] {
        let mut requests = nats.subscribe(subject).await.unwrap();
        let nats = nats.clone();
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let asked: Value = serde_json::from_slice(&request.payload).unwrap_or_default();
                let answer = match request.subject.as_str() {
                    "get.t.m" => json!({ "result": { "model": { "n": 1, "rows": { "data": ["f"] } } } }),
                    "get.t.c" => json!({ "result": { "collection": [{ "rid": "t.m" }] } }),
                    "call.t.m.double" => json!({ "result": asked["params"]["n"].as_i64().unwrap() * 2 }),
                    "call.t.m.same" => json!({ "resource": { "rid": "t.m" } }),
                    "auth.identity.session.authenticate" => {
                        let token = json!({ "token": { "cookie": asked["header"]["Cookie"][0] } });
                        let subject = format!("conn.{}.token", asked["cid"].as_str().unwrap());
                        nats.publish(subject, token.to_string().into()).await.unwrap();
                        json!({ "result": null })
                    }
                    "access.t.secret" if asked["token"]["cookie"] == "guest=14" => {
                        json!({ "result": { "get": true } })
                    }
                    "access.t.secret" => {
                        json!({ "error": { "code": "system.accessDenied", "message": "No" } })
                    }
                    "get.t.secret" => json!({ "result": { "model": { "open": true } } }),
                    other if other.starts_with("access.") => {
                        json!({ "result": { "get": true, "call": "*" } })
                    }
                    _ => json!({ "error": { "code": "system.notFound", "message": "Not found" } }),
                };
                nats.publish(request.reply.unwrap(), answer.to_string().into()).await.unwrap();
            }
        });
    }
    nats.flush().await.unwrap();
    nats
}

#[tokio::test]
async fn a_client_follows_a_model_and_a_collection_through_the_gateway() {
    let world = World::builder().nats().resgate().start().await.unwrap();
    let nats = serve(&world.nats().url()).await;
    let client = ResClient::connect(&world.resgate().live_url()).await.unwrap();
    client.subscribe("t.c").await.unwrap();
    assert_eq!(client.references("t.c").unwrap(), ["t.m"]);
    assert_eq!(Value::from(client.model("t.m").unwrap()), json!({ "n": 1, "rows": ["f"] }));

    let mut changes = client.changes();
    nats.publish("event.t.m.change", r#"{"values":{"n":2}}"#.into()).await.unwrap();
    client.wait_for_model("t.m", "the change to arrive", SOON, |model| model["n"] == 2).await;
    let change = tokio::time::timeout(SOON, changes.recv()).await.unwrap().unwrap();
    assert_eq!((change.rid.as_str(), change.name.as_str()), ("t.m", "change"));

    assert_eq!(client.call("t.m", "double", json!({ "n": 21 })).await.unwrap(), 42);
    assert_eq!(client.call_for_resource("t.m", "same", Value::Null).await.unwrap(), "t.m");
    assert_eq!(client.subscribe("t.none").await.unwrap_err().code, "system.notFound");
    assert!(client.violations().is_empty(), "{:?}", client.violations());
}

#[tokio::test]
async fn a_client_says_when_the_gateway_is_gone_and_comes_back_by_hand() {
    let world = World::builder().nats().resgate().start().await.unwrap();
    let nats = serve(&world.nats().url()).await;
    let client = ResClient::connect(&world.resgate().live_url()).await.unwrap();
    client.subscribe("t.m").await.unwrap();
    nats.publish("event.t.m.change", r#"{"values":{"n":7}}"#.into()).await.unwrap();
    client.wait_for_model("t.m", "the change to arrive", SOON, |model| model["n"] == 7).await;

    world.resgate().kill().await;
    assert_eq!(client.subscribe("t.c").await.unwrap_err().code, "client.disconnected");
    assert!(!client.is_connected().await);
    assert_eq!(client.model("t.m").unwrap()["n"], 7, "what was seen last stays readable");

    world.resgate().restart().await.unwrap();
    client.reconnect().await.unwrap();
    assert_eq!(
        client.model("t.m").unwrap()["n"],
        1,
        "a new connection starts from what the service says now"
    );
}

#[tokio::test]
async fn a_cookie_reaches_the_service_that_says_who_a_connection_is() {
    let options = livehouse_testkit::parts::ResgateOptions::default();
    let world = World::builder().nats().resgate_with(options).start().await.unwrap();
    let _nats = serve(&world.nats().url()).await;
    let url = world.resgate().live_url();
    let guest = ResClient::connect_with(&url, ConnectOptions::cookie("guest=14")).await.unwrap();
    guest.subscribe("t.secret").await.unwrap();
    let other = ResClient::connect(&url).await.unwrap();
    assert_eq!(other.subscribe("t.secret").await.unwrap_err().code, "system.accessDenied");
}

const SEATS: Template = Template {
    name: "seats",
    migrate: |url| {
        Box::pin(async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            let connection = tokio::spawn(connection);
            client.batch_execute("create table seat (id int primary key)").await?;
            drop(client);
            connection.await??;
            Ok(())
        })
    },
};

#[tokio::test]
async fn every_world_has_a_database_of_its_own_from_one_template() {
    let builder = World::builder().postgres_from("tickets", SEATS);
    let (one, two) = tokio::try_join!(builder.clone().start(), builder.start()).unwrap();
    assert_eq!(one.postgres().port(), two.postgres().port());
    for world in [&one, &two] {
        let (client, connection) =
            tokio_postgres::connect(&world.postgres_url("tickets"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.execute("insert into seat values (14)", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_world_starts_in_seconds_and_leaves_nothing() {
    let started = std::time::Instant::now();
    let world =
        World::builder().nats().own_postgres().postgres("tickets").keydb().resgate().start().await.unwrap();
    let took = started.elapsed();
    let folder = world.folder().to_path_buf();
    let processes = [
        world.nats().process(),
        world.postgres().process(),
        world.keydb().process(),
        world.resgate().process(),
    ];
    drop(world);
    for process in processes {
        assert!(!process.identity().is_alive(), "{} is still there", process.name());
    }
    assert!(!folder.exists());
    assert!(took < Duration::from_secs(30), "it took {took:?}");
}
