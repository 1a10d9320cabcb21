//! The part of the inventory that a batch can see, as read under its locks, and what it changes there.
//!
//! Within a batch every seat and every hold changes at most once. A command that needs more is put off to the next
//! batch, which keeps each write one plain step of the state machines, and so refusable by the database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use livehouse_contract::id::{BuyerId, HoldId};
use uuid::Uuid;

use super::command::Issue;
use super::hold::{EventNumber, Hold, SeatItem, SeatOrdinal, SectionNumber};
use super::sale::Rules;

/// A seat's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Nobody's.
    Free,
    /// Kept by a hold.
    Held(HoldId),
    /// Sold through a hold.
    Sold(HoldId),
    /// Not for sale here.
    Blocked,
}

impl Seat {
    /// The letter in the database and in the live view.
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            Self::Free => b'f',
            Self::Held(_) => b'h',
            Self::Sold(_) => b's',
            Self::Blocked => b'b',
        }
    }
}

/// Who has a taken seat, and until when if it is only held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The buyer.
    pub buyer: BuyerId,
    /// When the hold ends, or would have ended.
    pub expires_at: Timestamp,
}

/// The counters of a section or area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Rises by one with every committed change.
    pub seq: i64,
    /// Seats or units in all.
    pub capacity: i32,
    /// Held by active holds.
    pub held: i32,
    /// Sold.
    pub sold: i32,
    /// Not for sale here.
    pub blocked: i32,
}

impl Section {
    /// What is left.
    #[must_use]
    pub const fn free(&self) -> i32 {
        self.capacity - self.held - self.sold - self.blocked
    }
}

/// An earlier request with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Digest of what it asked for.
    pub fingerprint: Uuid,
    /// The hold it was answered with.
    pub hold: HoldId,
}

/// Names a section of an event.
pub type SectionKey = (EventNumber, SectionNumber);
/// Names a seat of an event.
pub type SeatKey = (EventNumber, SeatOrdinal);
/// Names what a buyer has of an event.
pub type AllowanceKey = (EventNumber, BuyerId);
/// Names a request.
pub type RequestKey = (BuyerId, String);

/// What a batch reads, then changes.
#[derive(Debug, Default)]
pub struct World {
    /// The database's clock, read after all locks were taken.
    pub now: Timestamp,
    /// Rules of the events.
    pub events: HashMap<EventNumber, Rules>,
    /// Locked sections and areas. What is not here is not locked and must not be touched.
    pub sections: HashMap<SectionKey, Section>,
    /// Wanted seats.
    pub seats: HashMap<SeatKey, Seat>,
    /// Holds that the commands name, and those with which repeated requests were answered.
    pub holds: HashMap<HoldId, Hold>,
    /// Earlier requests with the same keys.
    pub requests: HashMap<RequestKey, Request>,
    /// What the buyers have so far.
    pub allowances: HashMap<AllowanceKey, i32>,
    /// Who has the wanted seats that are taken.
    pub claims: HashMap<HoldId, Claim>,
    /// Overdue holds of the events whose areas are wanted.
    pub overdue: HashMap<EventNumber, Vec<HoldId>>,
    /// What the batch changes.
    pub changes: Changes,
}

/// Everything a batch writes. Ordered, because locks are taken in this order.
#[derive(Debug, Default)]
pub struct Changes {
    /// Seats with their state before and after.
    pub seats: BTreeMap<SeatKey, (Seat, Seat)>,
    /// Sections and areas with something changed: differences of held and sold.
    pub sections: BTreeMap<SectionKey, Difference>,
    /// New holds.
    pub placed: BTreeSet<HoldId>,
    /// Changed holds, with what they were before.
    pub changed: BTreeMap<HoldId, Hold>,
    /// New requests.
    pub requests: BTreeMap<RequestKey, Request>,
    /// Differences of what buyers have, with the most they may have.
    pub allowances: BTreeMap<AllowanceKey, (i32, u32)>,
    /// New tickets.
    pub tickets: Vec<Issue>,
    /// Paid orders whose seats are gone.
    pub refused_sales: Vec<(EventNumber, HoldId, livehouse_contract::id::OrderId)>,
    touched: HashSet<HoldId>,
}

/// By how much a section's counters change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// Held seats or units.
    pub held: i32,
    /// Sold seats or units.
    pub sold: i32,
}

impl Changes {
    /// Was nothing changed?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty()
            && self.changed.is_empty()
            && self.requests.is_empty()
            && self.refused_sales.is_empty()
    }
}

impl World {
    /// Who has the seats of `hold`, as far as the batch has seen it.
    #[must_use]
    pub fn claim(&self, hold: HoldId) -> Option<Claim> {
        let placed = self.holds.get(&hold);
        let claim = placed.map(|hold| Claim { buyer: hold.buyer, expires_at: hold.expires_at });
        claim.or_else(|| self.claims.get(&hold).copied())
    }

    /// Is the time of `hold` over?
    #[must_use]
    pub fn is_overdue(&self, hold: HoldId) -> bool {
        self.claim(hold).is_some_and(|claim| claim.expires_at <= self.now)
    }

    /// Did a command of this batch already change the hold?
    #[must_use]
    pub fn is_touched(&self, hold: HoldId) -> bool {
        self.changes.touched.contains(&hold)
    }

    /// Are all sections of the hold locked, and its seats read? Both were chosen by what it kept before the locks.
    #[must_use]
    pub fn has_read(&self, hold: &Hold) -> bool {
        hold.sections().all(|section| self.sections.contains_key(&(hold.event, section)))
            && hold.seats.iter().all(|item| self.seats.contains_key(&(hold.event, item.seat)))
    }

    /// Moves a seat of `event` from the state that the rules expect to its next, and counts it. If the database finds
    /// it in another state, it refuses the batch.
    pub fn move_seat(&mut self, event: EventNumber, item: &SeatItem, from: Seat, to: Seat) {
        self.seats.insert((event, item.seat), to);
        self.changes.seats.insert((event, item.seat), (from, to));
        let count = |state: Seat| match state {
            Seat::Held(_) => Difference { held: 1, sold: 0 },
            Seat::Sold(_) => Difference { held: 0, sold: 1 },
            Seat::Free | Seat::Blocked => Difference::default(),
        };
        let (before, after) = (count(from), count(to));
        self.count(
            event,
            item.section,
            Difference { held: after.held - before.held, sold: after.sold - before.sold },
        );
    }

    /// Counts units of a section or area.
    pub fn count(&mut self, event: EventNumber, section: SectionNumber, by: Difference) {
        if let Some(counters) = self.sections.get_mut(&(event, section)) {
            counters.held += by.held;
            counters.sold += by.sold;
        }
        let sum = self.changes.sections.entry((event, section)).or_default();
        sum.held += by.held;
        sum.sold += by.sold;
    }

    /// Keeps a new hold.
    pub fn place_hold(&mut self, hold: Hold) {
        self.changes.touched.insert(hold.id);
        self.changes.placed.insert(hold.id);
        self.holds.insert(hold.id, hold);
    }

    /// Keeps the next version of a hold.
    pub fn change_hold(&mut self, mut hold: Hold) -> Hold {
        hold.version += 1;
        self.changes.touched.insert(hold.id);
        if let Some(before) = self.holds.insert(hold.id, hold.clone()) {
            self.changes.changed.insert(hold.id, before);
        }
        hold
    }

    /// Counts what a buyer has.
    pub fn count_allowance(&mut self, event: EventNumber, buyer: BuyerId, by: i32, max: u32) {
        *self.allowances.entry((event, buyer)).or_default() += by;
        let sum = self.changes.allowances.entry((event, buyer)).or_insert((0, max));
        sum.0 += by;
    }
}
