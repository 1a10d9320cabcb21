//! What the world asks of the inventory, and what it is told.

use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, HoldId, OrderId, TicketId};
use uuid::Uuid;

use super::hold::{AreaItem, EventNumber, Hold, SeatItem, SeatOrdinal, SectionNumber};

/// One thing to decide. Every command may be sent again: the second time it changes nothing and answers the same.
#[derive(Debug, Clone)]
pub enum Command {
    /// Hold seats and units, all or none.
    Place(Place),
    /// Let a hold go.
    Release {
        /// The hold.
        hold: HoldId,
        /// Who asks.
        by: Holder,
    },
    /// Keep a hold for longer.
    Extend {
        /// The hold.
        hold: HoldId,
        /// Who asks.
        buyer: BuyerId,
    },
    /// Bind a hold to an order.
    Claim {
        /// The hold.
        hold: HoldId,
        /// Who asks.
        buyer: BuyerId,
        /// The order.
        order: OrderId,
    },
    /// Turn a hold into tickets, because its order is paid.
    Sell {
        /// The hold.
        hold: HoldId,
        /// The order that paid.
        order: OrderId,
    },
    /// Clear a hold away whose time is over.
    Expire {
        /// The hold.
        hold: HoldId,
    },
}

/// Who may let a hold go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The buyer whose hold it is.
    Buyer(BuyerId),
    /// The order that it is bound to.
    Order(OrderId),
}

/// A wish for seats and units of one event.
#[derive(Debug, Clone)]
pub struct Place {
    /// The id of the hold to be made.
    pub hold: HoldId,
    /// The event.
    pub event: EventNumber,
    /// The version of the event whose prices the items carry.
    pub event_version: i64,
    /// Who asks.
    pub buyer: BuyerId,
    /// The buyer's key for this request.
    pub key: String,
    /// Digest of everything the request asks for.
    pub fingerprint: Uuid,
    /// Wanted seats with their prices, in layout order, none twice.
    pub seats: Vec<SeatItem>,
    /// Wanted units with their prices, in layout order, no area twice.
    pub areas: Vec<AreaItem>,
    /// The buyer's own hold whose content this wish replaces; it keeps its id and its time.
    pub replaces: Option<HoldId>,
}

impl Place {
    /// Seats and units together.
    #[must_use]
    pub fn units(&self) -> u32 {
        let units: u32 = self.areas.iter().map(|item| item.units).sum();
        self.seats.len() as u32 + units
    }
}

impl Command {
    /// The existing hold that the command is about, if any.
    #[must_use]
    pub const fn hold(&self) -> Option<HoldId> {
        match self {
            Self::Place(place) => place.replaces,
            Self::Release { hold, .. }
            | Self::Extend { hold, .. }
            | Self::Claim { hold, .. }
            | Self::Sell { hold, .. }
            | Self::Expire { hold } => Some(*hold),
        }
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The hold as it is now: placed, extended, bound, sold, or as it was before for a repeated command.
    Done(Hold),
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Some of what was wanted belongs to somebody else.
    Taken {
        /// These seats.
        seats: Vec<SeatOrdinal>,
        /// Not enough units of these areas.
        areas: Vec<SectionNumber>,
    },
    /// More than one hold may have.
    TooMany {
        /// This many are allowed.
        max: u32,
    },
    /// More than one buyer may have.
    LimitReached {
        /// This many are allowed.
        max: u32,
    },
    /// The sale is not open.
    NotOnSale {
        /// The event's status in the public surface.
        status: &'static str,
    },
    /// The hold has ended, or was never there, or is not the asker's.
    HoldNotActive,
    /// The hold is as long as it may be.
    HardDeadline {
        /// When it ends.
        expires_at: Timestamp,
    },
    /// The key was used for another request.
    KeyReused,
    /// The hold's seats were taken by others before its order was paid.
    SoldToOthers,
}

/// A ticket made in this batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The ticket.
    pub ticket: TicketId,
    /// The event.
    pub event: EventNumber,
    /// Its seat.
    pub seat: Option<SeatOrdinal>,
    /// Or its area.
    pub area: Option<SectionNumber>,
    /// The hold it comes from.
    pub hold: HoldId,
    /// The order that paid.
    pub order: OrderId,
}
