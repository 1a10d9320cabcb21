//! A hold: seats and units kept for one buyer for a while.

use jiff::{SignedDuration, Timestamp};
use livehouse_contract::id::{BuyerId, HoldId, OrderId};

/// Number of an event within this service's database.
pub type EventNumber = i32;
/// Number of a section or area within its event: sections in layout order, then areas.
pub type SectionNumber = u16;
/// A seat's place in layout order.
pub type SeatOrdinal = u32;

/// Where a hold is in its life. Only an active hold changes; every other state is for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Keeps its seats until it expires.
    Active,
    /// Its seats are sold to its order.
    Sold,
    /// Its buyer, or its order's end, let it go.
    Released,
    /// Its time ran out.
    Expired,
}

impl State {
    /// The letter in the database.
    #[must_use]
    pub const fn letter(self) -> i8 {
        (match self {
            Self::Active => b'a',
            Self::Sold => b's',
            Self::Released => b'r',
            Self::Expired => b'x',
        })
        .cast_signed()
    }

    /// The state that a letter in the database stands for.
    #[must_use]
    pub const fn from_letter(letter: i8) -> Option<Self> {
        match letter.cast_unsigned() {
            b'a' => Some(Self::Active),
            b's' => Some(Self::Sold),
            b'r' => Some(Self::Released),
            b'x' => Some(Self::Expired),
            _ => None,
        }
    }

    /// The word in the public surface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Sold => "converted",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A seat of a hold, with its frozen price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatItem {
    /// The seat.
    pub seat: SeatOrdinal,
    /// Its section.
    pub section: SectionNumber,
    /// Minor units of the event's currency.
    pub price: i64,
}

/// Units of an area, with the frozen price of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AreaItem {
    /// The area.
    pub area: SectionNumber,
    /// How many; at least 1.
    pub units: u32,
    /// Minor units of the event's currency, for one unit.
    pub price: i64,
}

/// A hold as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// Its event.
    pub event: EventNumber,
    /// Whose it is.
    pub buyer: BuyerId,
    /// Where it is in its life.
    pub state: State,
    /// Its seats, in layout order.
    pub seats: Vec<SeatItem>,
    /// Its units of areas, in layout order.
    pub areas: Vec<AreaItem>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// From this moment on it keeps nothing.
    pub expires_at: Timestamp,
    /// No extension goes past this.
    pub hard_deadline: Timestamp,
    /// The order it is bound to.
    pub order: Option<OrderId>,
    /// Rises with every change.
    pub version: i64,
}

impl Hold {
    /// Does it keep its seats at `now`?
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state == State::Active && now < self.expires_at
    }

    /// Is its time over though nobody has cleared it away yet?
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.state == State::Active && now >= self.expires_at
    }

    /// Seats and units together.
    #[must_use]
    pub fn units(&self) -> u32 {
        let units: u32 = self.areas.iter().map(|item| item.units).sum();
        self.seats.len() as u32 + units
    }

    /// Sum of all frozen prices, in minor units.
    #[must_use]
    pub fn total(&self) -> i64 {
        let seats: i64 = self.seats.iter().map(|item| item.price).sum();
        let areas: i64 = self.areas.iter().map(|item| item.price * i64::from(item.units)).sum();
        seats + areas
    }

    /// Every section and area that it touches; may repeat.
    pub fn sections(&self) -> impl Iterator<Item = SectionNumber> + '_ {
        self.seats.iter().map(|item| item.section).chain(self.areas.iter().map(|item| item.area))
    }

    /// When an extension at `now` would let it end, or nothing if it is as long as it may be.
    #[must_use]
    pub fn extension(&self, now: Timestamp, hold_seconds: u32) -> Option<Timestamp> {
        if self.expires_at >= self.hard_deadline {
            return None;
        }
        let wanted = now + SignedDuration::from_secs(i64::from(hold_seconds));
        // An extension never takes time away, and never goes past the hard deadline.
        Some(wanted.max(self.expires_at).min(self.hard_deadline))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hold(expires_seconds: i64, hard_seconds: i64) -> Hold {
        let origin = Timestamp::UNIX_EPOCH;
        Hold {
            id: HoldId::generate(),
            event: 1,
            buyer: BuyerId::generate(),
            state: State::Active,
            seats: vec![SeatItem { seat: 1, section: 0, price: 100 }],
            areas: vec![],
            created_at: origin,
            expires_at: origin + SignedDuration::from_secs(expires_seconds),
            hard_deadline: origin + SignedDuration::from_secs(hard_seconds),
            order: None,
            version: 1,
        }
    }

    proptest! {
        /// Invariant 8: whatever the calls and their order.
        #[test]
        fn no_run_of_extensions_passes_the_hard_deadline_or_takes_time_away(
            moments in proptest::collection::vec(0_i64..20_000, 1..50), hold_seconds in 1_u32..4_000
        ) {
            let mut hold = hold(900, 7_200);
            for moment in moments {
                let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(moment);
                if let Some(extended) = hold.extension(now, hold_seconds) {
                    prop_assert!(extended <= hold.hard_deadline);
                    prop_assert!(extended >= hold.expires_at);
                    hold.expires_at = extended;
                } else {
                    prop_assert_eq!(hold.expires_at, hold.hard_deadline);
                }
            }
        }
    }

    #[test]
    fn a_hold_ends_at_its_expiry_not_after() {
        let hold = hold(900, 7_200);
        let expiry = hold.expires_at;
        assert!(hold.is_active(expiry - SignedDuration::from_nanos(1)));
        assert!(!hold.is_active(expiry));
        assert!(hold.is_overdue(expiry));
    }
}
