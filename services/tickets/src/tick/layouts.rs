//! Keeping the geometry of every layout where the site finds it: the bucket of layouts on the bus.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use deadpool_postgres::Pool;
use livehouse_contract::path::LAYOUT_BUCKET;
use livehouse_platform::bus::storage;
use tokio_util::sync::CancellationToken;

use crate::catalogue::Catalogue;
use crate::store::catalogue as store;

/// How often to look for layouts that are not in the bucket yet.
const INTERVAL: Duration = Duration::from_millis(700);

/// Puts missing layouts into the bucket, which has at least `replicas` copies, until `stop`. Several replicas may do it: the content is the same.
pub async fn run(
    catalogue: Arc<Catalogue>,
    pool: Pool,
    jetstream: jetstream::Context,
    replicas: u8,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut kept: HashSet<String> = HashSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let wanted: HashSet<String> =
            catalogue.events().iter().map(|event| event.row.layout.clone()).collect();
        for hash in wanted.difference(&kept.clone()) {
            match keep(&pool, &jetstream, replicas, hash).await {
                Ok(()) => {
                    kept.insert(hash.clone());
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), layout = hash, "a layout could not be kept")
                }
            }
        }
    }
}

async fn keep(pool: &Pool, jetstream: &jetstream::Context, replicas: u8, hash: &str) -> anyhow::Result<()> {
    let bucket = storage::bucket(jetstream, LAYOUT_BUCKET, replicas).await?;
    if bucket.info(hash).await.is_err() {
        let document = store::layout_document(pool, hash).await?;
        bucket.put(hash, &mut document.as_slice()).await?;
        tracing::info!(layout = hash, layout.bytes = document.len(), "a layout was published");
    }
    Ok(())
}
