//! Error codes of the public surface. A code is a promise: it never changes its meaning.

/// Codes of the `tickets` service.
pub mod tickets {
    /// A wanted seat or unit belongs to somebody else; `data.seats` and `data.areas` name which.
    pub const SEAT_TAKEN: &str = "tickets.seatTaken";
    /// A seat or area is not part of this event; `data.seats` and `data.areas` name which.
    pub const UNKNOWN_SEAT: &str = "tickets.unknownSeat";
    /// More seats and units in one hold than the event allows; `data.max` says how many.
    pub const TOO_MANY_SEATS: &str = "tickets.tooManySeats";
    /// The event is not on sale at this moment; `data.status` says why.
    pub const NOT_ON_SALE: &str = "tickets.notOnSale";
    /// The buyer would have more seats of this event than one buyer may; `data.max` says how many.
    pub const LIMIT_REACHED: &str = "tickets.limitReached";
    /// Too much work is waiting; ask again a little later. Nothing was changed.
    pub const BUSY: &str = "tickets.busy";
    /// The hold was released, has expired, or became an order.
    pub const HOLD_NOT_ACTIVE: &str = "tickets.holdNotActive";
    /// The hold is as long as a hold may be.
    pub const HARD_DEADLINE: &str = "tickets.hardDeadline";
}

/// Codes of the `orders` service.
pub mod orders {
    /// The hold was released, has expired, belongs to somebody else, or has an order already.
    pub const HOLD_NOT_ACTIVE: &str = "orders.holdNotActive";
    /// Only an order that awaits its payment can be cancelled.
    pub const NOT_CANCELLABLE: &str = "orders.notCancellable";
    /// Too much work is waiting; ask again a little later. Nothing was changed.
    pub const BUSY: &str = "orders.busy";
}
