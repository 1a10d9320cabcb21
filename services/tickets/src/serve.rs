//! What the service is made of while it serves. Tests start it the same way.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use livehouse_platform::bus::{self, outbox};
use livehouse_platform::health::{self, Condition, Health};
use livehouse_platform::keydb::KeyDb;
use livehouse_platform::options::Database;
use livehouse_platform::postgres;
use livehouse_platform::stop::{self, Tasks};
use tokio_util::sync::CancellationToken;

use crate::api::{self, Context};
use crate::catalogue::Catalogue;
use crate::inventory::Inventory;
use crate::live::announce::Announcer;
use crate::live::feed::{self, Views};
use crate::options::Serve;
use crate::{react, store, tick};

/// Name of the service on the bus and in the database.
pub const NAME: &str = "tickets";
/// How long a stop may take before what is left is dropped.
const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// Planner settings of the lanes' connections. All their statements look up a few rows by key; the planner, which
/// cannot know how many an array holds, must not be tempted to read a whole table instead.
const LANE_SETTINGS: &str = "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c jit=off";

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
    // The private port outlives the rest, so that the drain can be watched.
    let stopped = CancellationToken::new();
    health::serve(&options.common, health.clone(), stopped.clone()).await?;
    let pool = postgres::pool(&options.database, NAME)?;
    postgres::watch(pool.clone(), health.clone(), stopped.clone());
    let _keydb = KeyDb::connect(options.common.keydb_url.as_deref(), health.clone(), stopped.clone());
    let client = bus::connect(&options.common.nats_url, &replica, health.clone()).await?;

    let catalogue = Arc::new(Catalogue::new(pool.clone()));
    if !postgres::until_migrated(&pool, &store::migrations(), &stop).await {
        return Ok(());
    }
    catalogue.reload().await?;
    let replicas = options.common.stream_replicas;
    let Some(jetstream) = bus::streams(&client, replicas, &stop).await else { return Ok(()) };
    let bell = outbox::Bell::default();
    let lanes = options.batch_lanes.max(1);
    // One connection more than lanes, for the sweep of overdue holds.
    let lane_pool = postgres::pool_of(&postgres::url(&options.database)?, lanes + 1, NAME, LANE_SETTINGS)?;
    let tasks = Tasks::new(stop.clone());
    let announcer = Announcer::start(client.clone(), catalogue.clone(), &tasks);
    let inventory =
        Inventory::start(lane_pool.clone(), catalogue.clone(), announcer, bell.clone(), lanes, &tasks);
    let views = Arc::new(Views::new(pool.clone(), catalogue.clone()));
    let context = Context {
        inventory: inventory.clone(),
        catalogue: catalogue.clone(),
        views: views.clone(),
        pool: pool.clone(),
    };

    let service = api::start(client.clone(), &replica, &context).await.context("cannot start answering")?;
    health.set("live", Condition::Up);
    let seed = i64::from_ne_bytes(uuid::Uuid::now_v7().as_u128().to_ne_bytes()[..8].try_into()?);
    let relaying = outbox::relay(pool.clone(), jetstream.clone(), bell, stopped.clone());
    let relay = tasks.spawn("outbox relay", relaying);
    let listening =
        feed::listen(client.clone(), views.clone(), inventory.clone(), service.clone(), stopped.clone());
    tasks.spawn("announced changes", listening);
    tasks.spawn("views compared", feed::compare(views.clone(), service.clone(), stop.clone()));
    tasks.spawn("catalogue", tick::catalogue::run(catalogue.clone(), views, service.clone(), stop.clone()));
    let keeping = tick::layouts::run(catalogue, pool.clone(), jetstream.clone(), replicas, stop.clone());
    tasks.spawn("layouts", keeping);
    tasks.spawn("old requests", tick::requests::run(pool, stop.clone()));
    tasks.spawn("overdue holds", tick::expiry::run(lane_pool, inventory.clone(), seed, stop.clone()));
    tasks.spawn("claims", api::claim::serve(client, context, stop.clone()));
    react::start(&jetstream, &inventory, &tasks);
    tracing::info!(replica, "tickets is serving");

    stop.cancelled().await;
    health.set("live", Condition::Down);
    if let Err(error) = service.stop(STOP_DEADLINE).await {
        tracing::warn!(%error, "not everything could be finished before the stop");
    }
    stopped.cancel();
    // What is in the outbox stays there for the next process; a relay in the middle of a batch may finish it.
    let _finished = tokio::time::timeout(Duration::from_secs(1), relay).await;
    tracing::info!(replica, "tickets has stopped");
    tasks.outcome()
}
