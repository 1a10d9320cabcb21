//! Paid orders came too late for their seats: the money goes back. An order of nothing has nothing to give back.

use deadpool_postgres::Transaction;
use livehouse_contract::fact::tickets::SalesRefused;
use livehouse_contract::id::OrderId;

use super::Reaction;
use crate::checkout::Checkout;
use crate::domain::Happening;
use crate::store::order::Order;

impl Reaction for SalesRefused {
    const CONSUMER: &'static str = "orders-sales_refused";

    fn orders(&self) -> Vec<OrderId> {
        self.sales.iter().map(|sale| sale.order).collect()
    }

    async fn react(
        mut self,
        checkout: &Checkout,
        transaction: &Transaction<'_>,
    ) -> anyhow::Result<Vec<Order>> {
        self.sales.sort_by_key(|sale| sale.order);
        let mut changed = Vec::new();
        for sale in self.sales {
            changed.extend(checkout.happened(transaction, sale.order, Happening::SaleRefused).await?);
        }
        Ok(changed)
    }
}
