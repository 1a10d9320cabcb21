//! What the service is made of while it serves. Tests start it the same way.

use std::time::Duration;

use anyhow::Context as _;
use livehouse_platform::health::{self, Condition, Health};
use livehouse_platform::keydb::KeyDb;
use livehouse_platform::session::Key;
use livehouse_platform::{bus, stop};
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::connections::Connections;
use crate::options::Serve;

/// Name of the service on the bus.
pub const NAME: &str = "identity";
/// How long a stop may take before what is left is dropped.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Serves until a signal.
pub async fn run(mut options: Serve) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    let replica = options.common.replica_name(NAME);
    let health = Health::awaiting(&["nats", "live"]);
    let stopped = CancellationToken::new();
    health::serve(&options.common, health.clone(), stopped.clone()).await?;
    let key = Key::from_file(&options.session_key_file)?;
    let keydb = KeyDb::connect(options.common.keydb_url.as_deref(), health.clone(), stopped.clone());
    let client = bus::connect(&options.common.nats_url, &replica, health.clone()).await?;
    if !bus::until_connected(&client, &stop).await {
        return Ok(());
    }
    let service =
        api::start(client, &replica, key, Connections::new(keydb)).await.context("cannot start answering")?;
    health.set("live", Condition::Up);
    tracing::info!(replica, "identity is serving");

    stop.cancelled().await;
    health.set("live", Condition::Down);
    if let Err(error) = service.stop(STOP_DEADLINE).await {
        tracing::warn!(%error, "not everything could be finished before the stop");
    }
    stopped.cancel();
    tracing::info!(replica, "identity has stopped");
    Ok(())
}
