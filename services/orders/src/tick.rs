//! What happens because time passes: overdue orders end even if nobody told, old lines are forgotten.

use std::time::Duration;

use livehouse_platform::bus::inbox;
use tokio_util::sync::CancellationToken;

use crate::checkout::{Checkout, Error};
use crate::store::order as store;

/// How often to look for overdue orders.
const OVERDUE_INTERVAL: Duration = Duration::from_secs(1);
/// How often to forget what is not needed any more, in looks for overdue orders.
const FORGET_EVERY: u64 = 600;

/// Looks until `stop`.
pub async fn run(checkout: Checkout, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(OVERDUE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 0_u64.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = expire_overdue(&checkout).await {
            tracing::warn!(error = format!("{error:#}"), "overdue orders could not be ended");
        }
        if round.is_multiple_of(FORGET_EVERY)
            && let Err(error) = forget(&checkout).await
        {
            tracing::warn!(error = format!("{error:#}"), "old lines could not be forgotten");
        }
    }
}

async fn expire_overdue(checkout: &Checkout) -> anyhow::Result<()> {
    for order in store::overdue(&checkout.pool).await? {
        match checkout.expire(order).await {
            Ok(()) => {}
            // Who does not answer for one order does not answer for the others either.
            Err(Error::Busy) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn forget(checkout: &Checkout) -> anyhow::Result<()> {
    store::forget_abandoned(&checkout.pool).await?;
    inbox::forget_old(&**checkout.pool.get().await?).await?;
    Ok(())
}
