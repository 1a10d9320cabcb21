//! Calls between services: ordinary NATS requests on subjects that no browser can reach, because Resgate
//! only ever asks `access`, `get`, `call` and `auth`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{BuyerId, EventId, HoldId, OrderId};
use crate::line::Line;
use crate::money::Money;

/// Subject on which `tickets` binds a hold to an order.
pub const CLAIM_HOLD: &str = "service.tickets.hold.claim";

/// Binds an active hold to an order, so that only this order can sell its seats. Asking again with the same
/// order answers the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimHold {
    /// The hold to bind.
    pub hold: HoldId,
    /// Who asks; must be the hold's buyer.
    pub buyer: BuyerId,
    /// The order to bind it to.
    pub order: OrderId,
}

/// Answer to [`ClaimHold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClaimHoldAnswer {
    /// The hold belongs to the order now.
    Claimed(ClaimedHold),
    /// It is not active, belongs to another buyer or to another order; one answer for all, so that nobody
    /// learns of other people's holds.
    NotActive,
    /// Too much work is waiting; nothing was changed.
    Busy,
}

/// What an order needs to know of its hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimedHold {
    /// The event.
    pub event: EventId,
    /// Its name, for the order's page and mail.
    pub event_name: String,
    /// Prices as frozen when the hold was made.
    pub lines: Vec<Line>,
    /// Sum of the lines.
    pub total: Money,
    /// When the hold, and with it the order, runs out, by the database's clock.
    pub expires_at: Timestamp,
    /// Version of the hold after the claim.
    pub version: i64,
}
