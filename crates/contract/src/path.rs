//! Names of RES resources, and of the subjects and streams that services share.
//!
//! The shapes of the resources stand in the public surface; here are only their names, so that no service
//! spells them by hand.

use crate::id::{BuyerId, EventId, HoldId, OrderId};

/// Name of the service that owns seats.
pub const TICKETS: &str = "tickets";
/// Name of the service that owns orders.
pub const ORDERS: &str = "orders";
/// Name of the service that knows who a connection is.
pub const IDENTITY: &str = "identity";

/// All published events, soonest first.
pub const EVENTS: &str = "tickets.events";

/// One event.
#[must_use]
pub fn event(event: EventId) -> String {
    format!("tickets.event.{event}")
}

/// Free seats and units of an event per section and area.
#[must_use]
pub fn availability(event: EventId) -> String {
    format!("tickets.event.{event}.availability")
}

/// Seat states of one section.
#[must_use]
pub fn section(event: EventId, section: &str) -> String {
    format!("tickets.event.{event}.section.{section}")
}

/// Counts of one general-admission area.
#[must_use]
pub fn area(event: EventId, area: &str) -> String {
    format!("tickets.event.{event}.area.{area}")
}

/// One hold, for its buyer.
#[must_use]
pub fn hold(hold: HoldId) -> String {
    format!("tickets.hold.{hold}")
}

/// One order, for its buyer.
#[must_use]
pub fn order(order: OrderId) -> String {
    format!("orders.order.{order}")
}

/// A buyer's orders, newest first.
#[must_use]
pub fn orders_of(buyer: BuyerId) -> String {
    format!("orders.mine.{buyer}")
}

/// JetStream bucket with the geometry of every layout, keyed by content hash: bytes of `/layouts/<hash>.json`.
pub const LAYOUT_BUCKET: &str = "layouts";
/// JetStream stream of all facts.
pub const FACT_STREAM: &str = "FACTS";
/// JetStream stream of facts that a consumer gave up on.
pub const DEAD_LETTER_STREAM: &str = "DEAD_LETTERS";
/// Subject prefix of facts: `fact.<service>.<name>.v<version>`.
pub const FACT_PREFIX: &str = "fact";
/// Subject prefix of dead letters: `dead.<consumer>.<fact subject>`.
pub const DEAD_LETTER_PREFIX: &str = "dead";
