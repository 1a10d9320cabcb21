//! Facts of the `orders` service.

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::id::{BuyerId, EventId, HoldId, OrderId};

/// An order is paid, or had nothing to pay: its seats are to be sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderPaid {
    /// The order.
    pub order: OrderId,
    /// The hold it was made from.
    pub hold: HoldId,
    /// The event.
    pub event: EventId,
    /// Who ordered.
    pub buyer: BuyerId,
}

/// An order ended unpaid: its seats are to be let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderClosed {
    /// The order.
    pub order: OrderId,
    /// The hold it was made from.
    pub hold: HoldId,
    /// The event.
    pub event: EventId,
    /// Why.
    pub reason: OrderEnd,
}

/// Why an order ended unpaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderEnd {
    /// Its buyer cancelled it.
    Cancelled,
    /// Its time ran out.
    Expired,
}

impl Fact for OrderPaid {
    const SUBJECT: &'static str = "fact.orders.order_paid.v1";
}
impl Fact for OrderClosed {
    const SUBJECT: &'static str = "fact.orders.order_closed.v1";
}
