//! Clearing away holds whose time is over, so that everybody sees their seats as free within a second.
//!
//! Nobody's purchase waits for this: a hold in the way of a buyer is cleared away at once by the batch itself.

use std::time::Duration;

use deadpool_postgres::Pool;
use livehouse_contract::metric;
use livehouse_platform::retry::Backoff;
use livehouse_platform::telemetry;
use tokio_util::sync::CancellationToken;

use crate::inventory::Inventory;
use crate::store::hold as store;

/// How often to look.
const INTERVAL: Duration = Duration::from_millis(150);
/// Holds cleared away in one transaction.
const HOLDS_MAX: usize = 500;

/// Clears overdue holds away until `stop`. Any number of replicas may do it side by side.
pub async fn run(pool: Pool, inventory: Inventory, seed: i64, stop: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let pause = match sweep(&pool, &inventory, seed).await {
            Ok(found) => {
                backoff.reset();
                if found == HOLDS_MAX { Duration::ZERO } else { INTERVAL }
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "overdue holds could not be cleared away");
                backoff.next_delay()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn sweep(pool: &Pool, inventory: &Inventory, seed: i64) -> anyhow::Result<usize> {
    let overdue = store::overdue(pool, seed, HOLDS_MAX).await?;
    let found = overdue.len();
    if found > 0 {
        let cleared = inventory.expire(overdue).await?;
        telemetry::count(&metric::HOLDS_EXPIRED, cleared as u64, &[]);
    }
    Ok(found)
}
