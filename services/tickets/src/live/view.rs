//! The seats of one event as browsers see them: one byte a seat, one `seq` a section.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::announce::SectionChange;
use crate::catalogue::Event;
use crate::domain::hold::SectionNumber;

/// A section or area as the database has it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionState {
    /// The section or area.
    pub number: SectionNumber,
    /// Its `seq`.
    pub seq: i64,
    /// Seats or units in all.
    pub capacity: i32,
    /// Held seats or units.
    pub held: i32,
    /// Sold seats or units.
    pub sold: i32,
    /// Seats or units that are not for sale.
    pub blocked: i32,
    /// A letter per seat in layout order; empty for an area.
    pub seats: Vec<u8>,
}

/// Changes that came too early, kept until those before them come. More than this many means that one is lost.
const EARLY_CHANGES_MAX: usize = 1_024;

#[derive(Debug)]
struct SectionView {
    state: SectionState,
    /// Ordinal of its first seat.
    first_seat: u32,
    early: BTreeMap<i64, SectionChange>,
}

/// The view of one event.
#[derive(Debug)]
pub struct EventView {
    event: Arc<Event>,
    sections: Vec<SectionView>,
}

impl EventView {
    /// A view of `event`, with nothing known of its sections yet.
    #[must_use]
    pub fn new(event: Arc<Event>) -> Self {
        let layout = &event.layout;
        let sections = (0..layout.section_count()).map(|number| {
            let seats = if layout.is_area(number) { 0..0 } else { layout.index.section_seats(number) };
            SectionView {
                first_seat: seats.start,
                state: SectionState {
                    number,
                    seq: -1,
                    capacity: layout.capacity(number).cast_signed(),
                    held: 0,
                    sold: 0,
                    blocked: 0,
                    seats: vec![b'f'; seats.len()],
                },
                early: BTreeMap::new(),
            }
        });
        Self { sections: sections.collect(), event }
    }

    /// Takes over what was read from the database, where it is newer than what is known.
    pub fn adopt(&mut self, state: SectionState) -> bool {
        let Some(section) = self.sections.get_mut(usize::from(state.number)) else { return false };
        if state.seq <= section.state.seq {
            return false;
        }
        section.state = state;
        section.apply_early();
        true
    }

    /// Applies an announced change. Answers whether the view changed: not if the change is known already, or comes
    /// before its time.
    pub fn apply(&mut self, change: SectionChange) -> bool {
        let Some(section) = self.sections.get_mut(usize::from(change.number)) else { return false };
        if change.seq <= section.state.seq {
            return false;
        }
        if section.early.len() < EARLY_CHANGES_MAX {
            section.early.insert(change.seq, change);
        }
        section.apply_early()
    }

    /// The `seq` of every section and area, by number.
    #[must_use]
    pub fn seqs(&self) -> Vec<i64> {
        self.sections.iter().map(|section| section.state.seq).collect()
    }

    /// The event that this is a view of.
    #[must_use]
    pub const fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// Takes over a newer version of the event itself.
    pub fn set_event(&mut self, event: Arc<Event>) {
        self.event = event;
    }

    /// What is left in all.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.sections.iter().map(|section| u64::from(section.free())).sum()
    }

    /// The model `tickets.event.$event.section.$section`.
    #[must_use]
    pub fn section_model(&self, number: SectionNumber) -> Option<Value> {
        let section = self.sections.get(usize::from(number))?;
        let index = &self.event.layout.index;
        if self.event.layout.is_area(number) {
            return None;
        }
        let mut model = Map::new();
        model.insert("seq".to_owned(), section.state.seq.into());
        for row in index.section_rows(number) {
            let seats = index.row_seats(row);
            let (start, end) = (seats.start - section.first_seat, seats.end - section.first_seat);
            let letters = section.state.seats.get(start as usize..end as usize).unwrap_or_default();
            let letters: String = letters.iter().map(|letter| char::from(*letter)).collect();
            model.insert(format!("row:{}", index.row_id(row).unwrap_or_default()), letters.into());
        }
        Some(Value::Object(model))
    }

    /// The model `tickets.event.$event.area.$area`.
    #[must_use]
    pub fn area_model(&self, number: SectionNumber) -> Option<Value> {
        let section = self.sections.get(usize::from(number))?;
        let state = &section.state;
        self.event.layout.is_area(number).then(|| {
            serde_json::json!({
                "seq": state.seq, "capacity": state.capacity, "free": section.free(), "held": state.held, "sold": state.sold
            })
        })
    }

    /// The model `tickets.event.$event.availability`.
    #[must_use]
    pub fn availability_model(&self) -> Value {
        let mut model = Map::new();
        for section in self.sections.iter().filter(|section| section.state.capacity > 0) {
            model
                .insert(self.event.layout.section_id(section.state.number).to_owned(), section.free().into());
        }
        let total: u64 = self
            .sections
            .iter()
            .map(|section| u64::from(section.state.capacity.max(0).cast_unsigned()))
            .sum();
        model.insert("free".to_owned(), self.free().into());
        model.insert("total".to_owned(), total.into());
        Value::Object(model)
    }
}

impl SectionView {
    fn free(&self) -> u32 {
        let state = &self.state;
        (state.capacity - state.held - state.sold - state.blocked).max(0).cast_unsigned()
    }

    fn apply_early(&mut self) -> bool {
        let mut changed = false;
        while let Some(entry) = self.early.first_entry() {
            if *entry.key() > self.state.seq + 1 {
                break;
            }
            let change = entry.remove();
            if change.seq == self.state.seq + 1 {
                self.advance(&change);
                changed = true;
            }
        }
        changed
    }

    fn advance(&mut self, change: &SectionChange) {
        self.state.seq = change.seq;
        self.state.held = change.held;
        self.state.sold = change.sold;
        for (seat, letter) in &change.seats {
            let position = seat.wrapping_sub(self.first_seat) as usize;
            if let Some(state) = self.state.seats.get_mut(position) {
                *state = *letter as u8;
            }
        }
    }
}
