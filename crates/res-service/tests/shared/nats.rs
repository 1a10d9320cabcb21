//! A nats-server of a test's own.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use res_service::test_kit::NatsServer;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A server with some lines of configuration more.
pub(crate) async fn server_with(configuration: &str) -> NatsServer {
    NatsServer::start_with(configuration)
        .await
        .unwrap_or_else(|error| panic!("{error}. In this workspace `cargo dev test` gets one"))
}

/// Returns when the server has taken everything that was sent before.
pub(crate) async fn round_trip(client: &Client) {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, Bytes::new()).await.unwrap();
    tokio::time::timeout(PATIENCE, echo.next()).await.expect("the server echoes");
}
