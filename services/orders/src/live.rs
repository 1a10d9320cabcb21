//! Telling the owner of an order's live resources that they may have changed.
//!
//! An announcement is a hint: it may be lost, or never sent by a process that died after its commit. So every replica
//! also looks for orders that changed lately and refreshes those it owns ([`compare`]); a lost hint costs a second.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::{BuyerId, OrderId};
use livehouse_contract::path;
use res_service::Service;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::store::order as store;

const SUBJECT: &str = "live.orders";
/// How often to look for orders that changed.
const COMPARE_INTERVAL: Duration = Duration::from_secs(1);
/// How much of what was seen already is looked at again: a change is visible only after its commit, and no transaction
/// of this service may take this long.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15);
/// Changed orders of one look. If there are more, the next look goes on after them.
const LOOK_ORDERS_MAX: i64 = 50_000;

/// An order that changed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Changed {
    /// The order.
    pub order: OrderId,
    /// Whose it is.
    pub buyer: BuyerId,
}

/// Announces a committed change to whichever replica owns the order's resources.
pub async fn announce(client: &async_nats::Client, changed: Changed) {
    let Ok(payload) = serde_json::to_vec(&changed) else { return };
    if let Err(error) = client.publish(SUBJECT, payload.into()).await {
        tracing::warn!(%error, order.id = %changed.order, "a change could not be announced");
    }
}

/// Refreshes announced orders until `stop`.
pub async fn listen(
    client: async_nats::Client,
    service: Service,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut changes = client.subscribe(SUBJECT).await?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(message) = changes.next() => {
                if let Ok(changed) = serde_json::from_slice::<Changed>(&message.payload) {
                    refresh(&service, changed);
                }
            }
            else => anyhow::bail!("the subscription to announced orders has ended"),
        }
    }
}

/// Refreshes orders that changed in the database until `stop`, whether they were announced or not.
pub async fn compare(pool: Pool, service: Service, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(COMPARE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut changes: Option<Changes> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match look(&pool, &mut changes).await {
            Ok(changed) => changed.into_iter().for_each(|changed| refresh(&service, changed)),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the live orders could not be compared with the database");
            }
        }
    }
}

async fn look(pool: &Pool, changes: &mut Option<Changes>) -> anyhow::Result<Vec<Changed>> {
    let changes = match changes {
        Some(changes) => changes,
        // What this replica comes to own it reads anew: only what changes from now on can be missed.
        None => changes.insert(Changes::since(store::now(pool).await?.checked_sub(OVERLAP)?)),
    };
    let found = store::changed_after(pool, changes.after, LOOK_ORDERS_MAX).await?;
    let is_all = i64::try_from(found.len())? < LOOK_ORDERS_MAX;
    changes.take(&found, is_all)
}

/// Which changes were seen.
struct Changes {
    /// The next look begins after this time.
    after: Timestamp,
    /// Changes after that time which were seen already.
    seen: HashMap<OrderId, Timestamp>,
}

impl Changes {
    fn since(after: Timestamp) -> Self {
        Self { after, seen: HashMap::new() }
    }

    /// Takes what a look found, oldest first, and answers what is new in it.
    fn take(&mut self, found: &[store::Change], is_all: bool) -> anyhow::Result<Vec<Changed>> {
        let is_new = |change: &&store::Change| self.seen.get(&change.order) != Some(&change.at);
        let changed = found.iter().filter(is_new);
        let changed = changed.map(|change| Changed { order: change.order, buyer: change.buyer }).collect();
        if let Some(last) = found.last() {
            let after = if is_all { last.at.checked_sub(OVERLAP)? } else { last.at };
            self.after = self.after.max(after);
        }
        self.seen = found.iter().map(|change| (change.order, change.at)).collect();
        Ok(changed)
    }
}

fn refresh(service: &Service, changed: Changed) {
    for resource in [path::order(changed.order), path::orders_of(changed.buyer)] {
        if let Err(error) = service.try_refresh(resource) {
            tracing::error!(%error, order.id = %changed.order, "an order could not be refreshed");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_one_that_was_committed_late_is_not_missed() {
        let start = Timestamp::from_second(1_000_000).unwrap();
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        let (first, second) = (OrderId::generate(), OrderId::generate());
        let change = |order, seconds| store::Change { order, buyer: BuyerId::generate(), at: at(seconds) };
        let told = |changed: Vec<Changed>| changed.iter().map(|changed| changed.order).collect::<Vec<_>>();
        let mut changes = Changes::since(start);
        let one = change(first, 20);
        assert_eq!(told(changes.take(&[one], true).unwrap()), [first]);
        assert_eq!(changes.after, at(5), "the next look covers what is committed late");
        assert_eq!(told(changes.take(&[change(second, 18), one], true).unwrap()), [second]);
        assert_eq!(told(changes.take(&[change(first, 21)], true).unwrap()), [first], "it changed again");
        changes.take(&[one], false).unwrap();
        assert_eq!(changes.after, at(20), "a look that was too large goes on where it ended");
        changes.take(&[], true).unwrap();
        assert_eq!(changes.after, at(20), "it never goes back");
    }
}
