//! The invariants of orders as SQL that an operator could also run.

use livehouse_platform::audit::Invariant;
use livehouse_platform::invariant;

/// All invariants of orders.
pub const INVARIANTS: [Invariant; 4] = [
    invariant!("totals", "the total of an order equals its lines"),
    invariant!("one_order_per_hold", "a hold has at most one order that is not cancelled or expired"),
    invariant!("orders_end_in_time", "no order awaits payment thirty seconds after its expiry"),
    invariant!("tickets_fit_lines", "an order with tickets is paid or refunded and has one for each unit"),
];
