//! Waiting for a broker that is not there.

use std::time::Duration;

use livehouse_platform::bus;
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
            (bus::until_connected(&client, &stop).await, bus::streams(&client, &stop).await)
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
    let waiting = async { (bus::until_connected(&client, &stop).await, bus::streams(&client, &stop).await) };
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
