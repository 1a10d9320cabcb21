//! Waiting for a broker that is not there.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use livehouse_contract::path;
use livehouse_platform::bus::{self, storage};
use livehouse_platform::health::Health;
use livehouse_testkit::World;
use res_service::test_kit::NatsServer;
use tokio_util::sync::CancellationToken;

use super::place::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_broker_stops_when_told_to_and_goes_on_when_the_broker_comes() {
    let world = World::builder().nats().start().await.unwrap();
    world.nats().kill().await;
    let client = bus::connect(&world.nats().url(), "test", Health::default()).await.unwrap();
    let stop = CancellationToken::new();
    let waiting = {
        let (client, stop) = (client.clone(), stop.clone());
        tokio::spawn(async move {
            (bus::until_connected(&client, &stop).await, bus::streams(&client, 1, &stop).await)
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it does not wait for the broker");
    stop.cancel();
    let (is_connected, streams) =
        tokio::time::timeout(Duration::from_secs(2), waiting).await.unwrap().unwrap();
    assert!(!is_connected && streams.is_none());

    let stop = CancellationToken::new();
    let coming = async {
        world.nats().restart().await.unwrap();
    };
    let waiting =
        async { (bus::until_connected(&client, &stop).await, bus::streams(&client, 1, &stop).await) };
    let (_, (is_connected, streams)) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(coming, waiting) }).await.unwrap();
    assert!(is_connected && streams.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn user_and_password_of_the_url_are_shown_to_the_broker() {
    let account = r#"authorization { user: "a service", password: "p@ss/word" }"#;
    let server = NatsServer::start_with(account).await.unwrap();
    let address = server.url().trim_start_matches("nats://");
    let url = format!("nats://a%20service:p%40ss%2Fword@{address}");
    let stop = CancellationToken::new();
    let client = bus::connect(&url, "test", Health::default()).await.unwrap();
    let connected = tokio::time::timeout(Duration::from_secs(15), bus::until_connected(&client, &stop)).await;
    assert_eq!(connected, Ok(true), "the broker takes the account");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_there_is_brought_to_its_configuration_and_keeps_what_is_in_it() {
    let server = NatsServer::start().await.unwrap();
    let client = bus::connect(server.url(), "test", Health::default()).await.unwrap();
    let jetstream = jetstream::new(client.clone());
    let subjects = vec![format!("{}.>", path::FACT_PREFIX)];
    let older = stream::Config {
        name: path::FACT_STREAM.to_owned(),
        subjects: subjects.clone(),
        max_age: Duration::from_secs(60),
        max_messages: 5_000,
        ..Default::default()
    };
    jetstream.create_stream(older).await.unwrap();
    jetstream.publish(format!("{}.test", path::FACT_PREFIX), "kept".into()).await.unwrap().await.unwrap();

    bus::ensure_streams(&client).await.unwrap();
    let info = jetstream.get_stream(path::FACT_STREAM).await.unwrap().get_info().await.unwrap();
    assert_eq!(info.config.max_age, Duration::from_secs(30 * 24 * 3600));
    assert_eq!(info.config.duplicate_window, Duration::from_secs(120));
    assert_eq!((info.config.subjects, info.config.num_replicas), (subjects, 1));
    assert_eq!(info.config.max_messages, 5_000, "what the configuration does not name is left as it is");
    assert_eq!(info.state.messages, 1);
}

// That three servers really keep three copies needs a cluster of three (the drill of the swarm looks at it): a single server
// notes how many copies an existing stream should have, and refuses to make a new one that it cannot copy.
#[tokio::test(flavor = "multi_thread")]
async fn streams_and_buckets_get_more_copies_and_never_fewer_and_are_not_made_with_too_few() {
    let server = NatsServer::start().await.unwrap();
    let client = bus::connect(server.url(), "test", Health::default()).await.unwrap();
    let jetstream = bus::ensure_streams(&client).await.unwrap();
    storage::bucket(&jetstream, "layouts-of-a-test", 1).await.unwrap();
    let stop = CancellationToken::new();
    for (replicas, expected) in [(1, 1), (3, 3), (1, 3)] {
        let found = tokio::time::timeout(PATIENCE, bus::streams(&client, replicas, &stop)).await.unwrap();
        assert!(found.is_some(), "the streams that are there were not used");
        storage::bucket(&jetstream, "layouts-of-a-test", replicas).await.unwrap();
        for name in [path::FACT_STREAM, path::DEAD_LETTER_STREAM, "OBJ_layouts-of-a-test"] {
            let found = jetstream.get_stream(name).await.unwrap();
            assert_eq!(found.cached_info().config.num_replicas, expected, "{name} after {replicas}");
        }
    }
    assert!(storage::bucket(&jetstream, "another", 3).await.is_err());
    jetstream.delete_stream(path::FACT_STREAM).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(1), bus::streams(&client, 3, &stop)).await;
    assert!(waiting.is_err(), "a stream with fewer copies than were asked for was made");
}
