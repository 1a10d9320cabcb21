//! Seats that were just seen to be taken, so that most of an on-sale's refusals need no database.
//!
//! What is remembered can only refuse, never give: a seat is sold by the database alone. A memory is dropped when
//! the seat is announced as free, when the hold that keeps it runs out, and in any case after two seconds, which
//! bounds what a lost announcement can do. Whoever may be the seat's holder is always sent to the database, because
//! a repeated request is answered as it was the first time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use livehouse_contract::id::BuyerId;

use crate::domain::command::Place;
use crate::domain::hold::SeatOrdinal;
use crate::domain::world::{Claim, Seat, SectionKey, World};
use crate::live::announce::SectionChange;

/// How long a seat counts as taken without being looked at again.
const MEMORY: Duration = Duration::from_secs(2);
/// Remembered seats. More are forgotten, all at once: they are learned again as they are asked for.
const SEATS_MAX: usize = 65_536;

/// The memory of one replica.
#[derive(Debug, Default)]
pub(super) struct TakenSeats(Mutex<Sections>);

#[derive(Debug, Default)]
struct Sections {
    sections: HashMap<SectionKey, Section>,
    seats: usize,
}

#[derive(Debug, Default)]
struct Section {
    /// The newest state that the memory knows of; what is older comes too late.
    seq: i64,
    seats: HashMap<SeatOrdinal, Taken>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    holder: Option<BuyerId>,
    until: Instant,
}

impl TakenSeats {
    fn sections(&self) -> MutexGuard<'_, Sections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wanted seats that somebody else has, as far as it is known; none if the database must be asked.
    pub(super) fn of(&self, place: &Place, now: Instant) -> Vec<SeatOrdinal> {
        let memory = self.sections();
        let mut taken = Vec::new();
        for item in &place.seats {
            let section = memory.sections.get(&(place.event, item.section));
            let Some(seat) = section.and_then(|section| section.seats.get(&item.seat)) else { continue };
            if seat.holder == Some(place.buyer) {
                return Vec::new();
            }
            if now < seat.until {
                taken.push(item.seat);
            }
        }
        taken
    }

    /// Learns what a batch saw and did; `before` is a moment before the batch read the database's clock.
    pub(super) fn learn(&self, world: &World, before: Instant, section_of: impl Fn(i32, u32) -> Option<u16>) {
        let mut memory = self.sections();
        if memory.seats > SEATS_MAX {
            *memory = Sections::default();
        }
        for ((event, seat), state) in &world.seats {
            let Some(number) = section_of(*event, *seat) else { continue };
            let Some(read) = world.sections.get(&(*event, number)) else { continue };
            let is_changed = world.changes.sections.contains_key(&(*event, number));
            let seq = read.seq + i64::from(is_changed);
            let claim = match state {
                Seat::Free => None,
                Seat::Blocked => Some(Taken { holder: None, until: before + MEMORY }),
                Seat::Held(hold) | Seat::Sold(hold) => world.claim(*hold).map(|claim| {
                    let until = before + left(state, claim, world.now).min(MEMORY);
                    Taken { holder: Some(claim.buyer), until }
                }),
            };
            memory.put((*event, number), seq, *seat, claim);
        }
    }

    /// Hears what another commit changed, here or in another replica.
    pub(super) fn hear(&self, event: i32, change: &SectionChange) {
        let mut memory = self.sections();
        // What nobody asked for is not remembered, but a batch that read before this change must not be believed.
        for (seat, letter) in &change.seats {
            if *letter == 'f' {
                memory.put((event, change.number), change.seq, *seat, None);
            }
        }
    }
}

/// How much longer the claim stands.
fn left(state: &Seat, claim: Claim, now: jiff::Timestamp) -> Duration {
    match state {
        Seat::Held(_) => Duration::try_from(claim.expires_at.duration_since(now)).unwrap_or_default(),
        _ => Duration::MAX,
    }
}

impl Sections {
    fn put(&mut self, key: SectionKey, seq: i64, seat: SeatOrdinal, taken: Option<Taken>) {
        let section = self.sections.entry(key).or_default();
        if seq < section.seq {
            return;
        }
        section.seq = seq;
        let before = section.seats.len();
        match taken {
            Some(taken) => drop(section.seats.insert(seat, taken)),
            None => drop(section.seats.remove(&seat)),
        }
        self.seats = self.seats + section.seats.len() - before;
    }
}

#[cfg(test)]
mod tests;
