//! Holds changed: the orders made from them run out at another time.

use deadpool_postgres::Transaction;
use livehouse_contract::fact::tickets::HoldsChanged;
use livehouse_contract::id::OrderId;

use super::Reaction;
use crate::checkout::Checkout;
use crate::store::order::{self as store, Order};

impl Reaction for HoldsChanged {
    const CONSUMER: &'static str = "orders-holds_changed";

    fn orders(&self) -> Vec<OrderId> {
        self.holds.iter().filter_map(|hold| hold.order).collect()
    }

    async fn react(mut self, _: &Checkout, transaction: &Transaction<'_>) -> anyhow::Result<Vec<Order>> {
        self.holds.sort_by_key(|hold| hold.order);
        let mut changed = Vec::new();
        for hold in self.holds {
            let Some(id) = hold.order else { continue };
            if store::extend(transaction, id, hold.expires_at, hold.version).await? {
                changed.extend(store::lock(transaction, id).await?);
            }
        }
        Ok(changed)
    }
}
