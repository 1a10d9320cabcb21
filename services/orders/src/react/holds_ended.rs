//! Holds ended: their orders have expired, or were let go.

use deadpool_postgres::Transaction;
use livehouse_contract::fact::tickets::{HoldEnd, HoldsEnded};
use livehouse_contract::id::OrderId;

use super::Reaction;
use crate::checkout::Checkout;
use crate::domain::Happening;
use crate::store::order::Order;

impl Reaction for HoldsEnded {
    const CONSUMER: &'static str = "orders-holds_ended";

    fn orders(&self) -> Vec<OrderId> {
        self.holds.iter().filter_map(|hold| hold.order).collect()
    }

    async fn react(
        mut self,
        checkout: &Checkout,
        transaction: &Transaction<'_>,
    ) -> anyhow::Result<Vec<Order>> {
        // One lock order for all facts: two consumers never wait for each other in a circle.
        self.holds.sort_by_key(|hold| hold.order);
        let mut changed = Vec::new();
        for hold in self.holds {
            let Some(order) = hold.order else { continue };
            let happening = match hold.reason {
                HoldEnd::Expired => Happening::TimeOver,
                HoldEnd::Released => Happening::HoldReleased,
            };
            changed.extend(checkout.happened(transaction, order, happening).await?);
        }
        Ok(changed)
    }
}
