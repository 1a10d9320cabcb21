//! What the service is made of while it serves. Tests start it the same way.

use std::time::Duration;

use anyhow::Context as _;
use livehouse_platform::bus::{self, outbox};
use livehouse_platform::health::{self, Condition, Health};
use livehouse_platform::keydb::KeyDb;
use livehouse_platform::options::Database;
use livehouse_platform::postgres;
use livehouse_platform::stop::{self, Tasks};
use tokio_util::sync::CancellationToken;

use crate::checkout::Checkout;
use crate::options::Serve;
use crate::{api, live, react, store, tick};

/// Name of the service on the bus and in the database.
pub const NAME: &str = "orders";
/// How long a stop may take before what is left is dropped.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Brings the database to the newest migration.
pub async fn migrate(options: &Database) -> anyhow::Result<()> {
    store::migrate(&postgres::pool_of_command(options, NAME)?).await
}

/// Serves until a signal.
pub async fn run(options: Serve) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    run_until(options, stop).await
}

/// Serves until `stop`.
pub async fn run_until(mut options: Serve, stop: CancellationToken) -> anyhow::Result<()> {
    let replica = options.common.replica_name(NAME);
    let health = Health::awaiting(&["postgres", "nats", "live"]);
    let stopped = CancellationToken::new();
    health::serve(&options.common, health.clone(), stopped.clone()).await?;
    let pool = postgres::pool(&options.database, NAME)?;
    postgres::watch(pool.clone(), health.clone(), stopped.clone());
    let _keydb = KeyDb::connect(options.common.keydb_url.as_deref(), health.clone(), stopped.clone());
    let client = bus::connect(&options.common.nats_url, &replica, health.clone()).await?;
    let replicas = options.common.stream_replicas;
    let Some(jetstream) = bus::streams(&client, replicas, &stop).await else { return Ok(()) };
    if !postgres::until_migrated(&pool, &store::migrations(), &stop).await {
        return Ok(());
    }
    let bell = outbox::Bell::default();
    let checkout = Checkout { pool: pool.clone(), client: client.clone(), bell: bell.clone() };
    let service = api::start(client.clone(), &replica, &checkout).await.context("cannot start answering")?;
    health.set("live", Condition::Up);
    let tasks = Tasks::new(stop.clone());
    let relaying = outbox::relay(pool.clone(), jetstream.clone(), bell, stopped.clone());
    let relay = tasks.spawn("outbox relay", relaying);
    tasks.spawn("announced orders", live::listen(client, service.clone(), stopped.clone()));
    tasks.spawn("changed orders", live::compare(pool, service.clone(), stop.clone()));
    tasks.spawn("overdue orders", tick::run(checkout.clone(), stop.clone()));
    react::start(&jetstream, &checkout, &tasks);
    tracing::info!(replica, "orders is serving");

    stop.cancelled().await;
    health.set("live", Condition::Down);
    if let Err(error) = service.stop(STOP_DEADLINE).await {
        tracing::warn!(%error, "not everything could be finished before the stop");
    }
    stopped.cancel();
    let _finished = tokio::time::timeout(Duration::from_secs(1), relay).await;
    tracing::info!(replica, "orders has stopped");
    tasks.outcome()
}
