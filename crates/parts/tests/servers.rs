//! The real programs as private processes: they start, survive what a test does to them, and leave nothing behind.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use livehouse_parts::{
    Error, KeyValueOptions, KeyValueServer, NatsOptions, NatsServer, PostgresOptions, PostgresServer,
    Resgate, ResgateOptions, is_free,
};

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("livehouse-parts-").tempdir().unwrap()
}

#[tokio::test]
async fn nats_comes_back_on_its_port_after_a_kill() {
    let folder = folder();
    let nats = NatsServer::start(folder.path(), NatsOptions::default()).await.unwrap();
    nats.ready().await.unwrap();
    nats.kill().await;
    assert!(nats.ready().await.is_err());
    assert!(is_free(nats.port()));
    nats.restart().await.unwrap();
    nats.ready().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named_and_a_free_one_is_found() {
    let folder = folder();
    let nats = NatsServer::start(folder.path().join("a"), NatsOptions::default()).await.unwrap();
    let same = NatsOptions { port: Some(nats.port()), ..NatsOptions::default() };
    let error = NatsServer::start(folder.path().join("b"), same).await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { port, .. } if port == nats.port()), "{error}");
    assert!(error.to_string().contains(&nats.port().to_string()));
    let other = NatsServer::start(folder.path().join("b"), NatsOptions::default()).await.unwrap();
    assert_ne!(other.port(), nats.port());
}

#[tokio::test]
async fn resgate_ends_when_it_loses_nats_and_can_be_started_again() {
    let folder = folder();
    let nats = NatsServer::start(folder.path().join("nats"), NatsOptions::default()).await.unwrap();
    let options = ResgateOptions::default().without_authentication();
    let resgate = Resgate::start(folder.path().join("resgate"), &nats.url(), options).await.unwrap();
    nats.kill().await;
    tokio::time::timeout(Duration::from_secs(5), resgate.process().ended()).await.unwrap();
    nats.restart().await.unwrap();
    resgate.restart().await.unwrap();
    resgate.ready().await.unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why() {
    let folder = folder();
    let options = ResgateOptions::default();
    let error = Resgate::start(folder.path(), "nats://127.0.0.1:1", options).await.unwrap_err();
    assert!(matches!(&error, Error::Ended { last_lines, .. } if last_lines.contains("onnect")), "{error}");
}

#[tokio::test]
async fn postgres_keeps_what_was_committed_through_a_kill() {
    let folder = folder();
    let postgres = PostgresServer::start(folder.path(), PostgresOptions::default()).await.unwrap();
    assert!(postgres.create_database("tickets").await.unwrap());
    assert!(!postgres.create_database("tickets").await.unwrap());
    let client = postgres.connect("tickets").await.unwrap();
    client.batch_execute("create table seat (id int); insert into seat values (14)").await.unwrap();
    postgres.kill().await;
    postgres.restart().await.unwrap();
    let client = postgres.connect("tickets").await.unwrap();
    let row = client.query_one("select id, uuidv7()::text from seat", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 14);
    drop(client);
    postgres.create_from_template("copy", "tickets").await.unwrap();
    let copy = postgres.connect("copy").await.unwrap();
    assert_eq!(copy.query("select 1 from seat", &[]).await.unwrap().len(), 1);
    postgres.drop_database("copy").await.unwrap();
    assert!(postgres.connect("copy").await.is_err());
}

#[tokio::test]
async fn a_paused_postgres_answers_nothing_until_it_goes_on() {
    let folder = folder();
    let options = PostgresOptions { durable: false, ..PostgresOptions::default() };
    let postgres = PostgresServer::start(folder.path(), options).await.unwrap();
    let client = postgres.connect("postgres").await.unwrap();
    client.simple_query("select 1").await.unwrap();
    postgres.pause();
    let answer = tokio::time::timeout(Duration::from_millis(300), client.simple_query("select 1")).await;
    assert!(answer.is_err(), "a paused Postgres answered");
    postgres.resume();
    client.simple_query("select 1").await.unwrap();
}

#[tokio::test]
async fn a_key_value_server_keeps_its_keys_over_a_stop() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = folder();
    let server = KeyValueServer::start(folder.path(), KeyValueOptions::default()).await.unwrap();
    let ask = async |question: &str| {
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    assert_eq!(ask("SET seat 14\r\n").await, "+OK\r\n");
    server.restart().await.unwrap();
    assert_eq!(ask("GET seat\r\n").await, "$2\r\n14\r\n");
}

#[tokio::test]
async fn a_dropped_server_leaves_no_process_and_no_port() {
    let folder = folder();
    let postgres = PostgresServer::start(folder.path(), PostgresOptions::default()).await.unwrap();
    let (identity, port) = (postgres.process().identity().clone(), postgres.port());
    assert!(identity.is_alive());
    let started = Instant::now();
    drop(postgres);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!identity.is_alive());
    assert!(is_free(port));
}
