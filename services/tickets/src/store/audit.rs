//! The invariants of the inventory as SQL that an operator could also run.

use livehouse_platform::audit::Invariant;
use livehouse_platform::invariant;

/// All invariants of the inventory.
pub const INVARIANTS: [Invariant; 12] = [
    invariant!("one_claim_per_seat", "a seat is in at most one active hold or valid ticket"),
    invariant!(
        "area_counters",
        "held and sold units of an area equal its holds and tickets, within its capacity"
    ),
    invariant!("section_counters", "the counters of a section equal its seats"),
    invariant!(
        "holds_are_whole",
        "an active hold keeps all its seats, and every held seat belongs to an active hold"
    ),
    invariant!(
        "sold_seats_have_tickets",
        "a sold seat has exactly one valid ticket, and a valid ticket its seat"
    ),
    invariant!(
        "tickets_come_from_sold_holds",
        "no ticket comes from a hold that was not sold, none is missing"
    ),
    invariant!("hold_times", "no hold ends after its hard deadline"),
    invariant!("holds_end_in_time", "no hold is active ten seconds after its expiry"),
    invariant!("allowances", "what a buyer has equals the buyer's holds and never exceeds the limit"),
    invariant!("requests", "a request key stands for one hold of the same buyer"),
    invariant!("orders_have_one_hold", "an order is bound to one hold"),
    invariant!("prices_are_frozen", "every item of a hold has a price that is not negative"),
];
