//! Facts of the `tickets` service. One fact tells what one committed batch did to one event, because batches are
//! how seats are decided; each entry inside stands for one hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Fact;
use crate::id::{BuyerId, EventId, HoldId, OrderId, TicketId};

/// Units of one general-admission area.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AreaUnits {
    /// The area.
    pub area: String,
    /// How many units of it; at least 1.
    pub quantity: u32,
}

/// New holds were placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldsPlaced {
    /// The event.
    pub event: EventId,
    /// The holds, in the order they were decided.
    pub holds: Vec<PlacedHold>,
}

/// One placed hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlacedHold {
    /// The hold.
    pub hold: HoldId,
    /// Whose it is.
    pub buyer: BuyerId,
    /// Its seats.
    pub seats: Vec<String>,
    /// Its units of areas.
    pub areas: Vec<AreaUnits>,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// Version of the hold: 1 when placed.
    pub version: i64,
}

/// Holds were extended, got other seats, or were bound to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldsChanged {
    /// The event.
    pub event: EventId,
    /// The holds as they are now.
    pub holds: Vec<ChangedHold>,
}

/// One changed hold, as it is after the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangedHold {
    /// The hold.
    pub hold: HoldId,
    /// The order it is bound to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// Its seats.
    pub seats: Vec<String>,
    /// Its units of areas.
    pub areas: Vec<AreaUnits>,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// Version of the hold.
    pub version: i64,
}

/// Holds ended and their seats and units are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldsEnded {
    /// The event.
    pub event: EventId,
    /// The holds.
    pub holds: Vec<EndedHold>,
}

/// One ended hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndedHold {
    /// The hold.
    pub hold: HoldId,
    /// The order it was bound to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// Why it ended.
    pub reason: HoldEnd,
    /// Version of the hold.
    pub version: i64,
}

/// Why a hold ended without being sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HoldEnd {
    /// Its buyer, or its order's end, let it go.
    Released,
    /// Its time ran out.
    Expired,
}

/// Holds became tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldsSold {
    /// The event.
    pub event: EventId,
    /// The sales.
    pub sales: Vec<SoldHold>,
}

/// One sold hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SoldHold {
    /// The hold.
    pub hold: HoldId,
    /// The order that paid for it.
    pub order: OrderId,
    /// The tickets, one per seat or unit, seats first.
    pub tickets: Vec<IssuedTicket>,
    /// Version of the hold.
    pub version: i64,
}

/// One issued ticket: for a seat, or for one unit of an area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuedTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// Its seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// Its area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
}

/// Orders were paid but their seats belong to somebody else by now: the money must go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SalesRefused {
    /// The event.
    pub event: EventId,
    /// The orders, each with its hold.
    pub sales: Vec<RefusedSale>,
}

/// One refused sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusedSale {
    /// The hold that had ended.
    pub hold: HoldId,
    /// The order that came too late.
    pub order: OrderId,
}

impl Fact for HoldsPlaced {
    const SUBJECT: &'static str = "fact.tickets.holds_placed.v1";
}
impl Fact for HoldsChanged {
    const SUBJECT: &'static str = "fact.tickets.holds_changed.v1";
}
impl Fact for HoldsEnded {
    const SUBJECT: &'static str = "fact.tickets.holds_ended.v1";
}
impl Fact for HoldsSold {
    const SUBJECT: &'static str = "fact.tickets.holds_sold.v1";
}
impl Fact for SalesRefused {
    const SUBJECT: &'static str = "fact.tickets.sales_refused.v1";
}
