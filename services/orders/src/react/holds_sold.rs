//! Holds were sold: their orders have tickets.

use deadpool_postgres::Transaction;
use livehouse_contract::fact::tickets::HoldsSold;
use livehouse_contract::id::OrderId;

use super::Reaction;
use crate::checkout::Checkout;
use crate::store::order::{self as store, Order};

impl Reaction for HoldsSold {
    const CONSUMER: &'static str = "orders-holds_sold";

    fn orders(&self) -> Vec<OrderId> {
        self.sales.iter().map(|sale| sale.order).collect()
    }

    async fn react(mut self, _: &Checkout, transaction: &Transaction<'_>) -> anyhow::Result<Vec<Order>> {
        self.sales.sort_by_key(|sale| sale.order);
        let mut changed = Vec::new();
        for sale in self.sales {
            if store::issue(transaction, sale.order, &sale.tickets).await? {
                changed.extend(store::lock(transaction, sale.order).await?);
            }
        }
        Ok(changed)
    }
}
