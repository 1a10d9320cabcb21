//! Waiting for a broker that is not there.

use std::time::Duration;

use livehouse_platform::bus;
use livehouse_platform::health::Health;
use livehouse_testkit::World;
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
