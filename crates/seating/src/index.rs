//! From seat ids to small numbers and back: what the owner of an event's live state keeps in memory per layout.
//!
//! The **ordinal** of a seat counts all seats in layout order: sections in order, their rows in order, their seats in
//! order. A section and a row are therefore each one range of ordinals, and the string of a row in a section's live
//! model is the states of its range, one after the other.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use crate::geometry::{Layout, polygon};
use crate::report::Refused;

/// Seats of a row farther apart than this many usual distances have an aisle or a pillar between them.
const NEIGHBOUR_DISTANCES_MAX: f64 = 1.6;

/// Marks a free slot of the hash table; ordinals end at 200,000.
const EMPTY: u32 = u32::MAX;

/// A compact, immutable index over one valid layout. 40,000 seats take about 1.3 MB.
#[derive(Debug, Clone)]
pub struct SeatIndex {
    seat_ids: Names,
    slots: Box<[u32]>,
    hasher: RandomState,
    seat_rows: Box<[u16]>,
    seat_categories: Box<[u16]>,
    /// One bit per seat: the next seat of the row is right beside it.
    beside_next: Box<[u64]>,
    rows: Box<[RowEntry]>,
    row_ids: Names,
    sections: Box<[SectionEntry]>,
    section_ids: Names,
    category_ids: Names,
    areas: Box<[AreaPlace]>,
    area_ids: Names,
}

/// Where a seat is. All numbers count from 0 in layout order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeatPlace {
    /// Number of its section.
    pub section: u16,
    /// Number of its row, counted over the whole layout.
    pub row: u16,
    /// Its place in the row's string.
    pub position: u16,
    /// Number of its category.
    pub category: u16,
}

/// Where an area is and how many people it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AreaPlace {
    /// Number of its section.
    pub section: u16,
    /// Number of its category.
    pub category: u16,
    /// How many people.
    pub capacity: u32,
}

#[derive(Debug, Clone)]
struct RowEntry {
    section: u16,
    first_seat: u32,
}

#[derive(Debug, Clone)]
struct SectionEntry {
    first_seat: u32,
    first_row: u16,
    first_area: u16,
}

/// Many short strings in one allocation.
#[derive(Debug, Clone, Default)]
struct Names {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Names {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        let mut ends = Vec::new();
        for name in names {
            text.push_str(name);
            // 200,000 ids of 64 bytes are 12.8 MB, far from the end of u32.
            ends.push(text.len() as u32);
        }
        Self { text: text.into(), ends: ends.into() }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)? as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        Some(&self.text[start..end])
    }

    fn find(&self, name: &str) -> Option<usize> {
        (0..self.len()).find(|number| self.get(*number) == Some(name))
    }

    fn memory_bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }
}

impl Layout {
    /// The index of a valid layout.
    ///
    /// # Errors
    /// [`Refused`] with everything [`Layout::validate`] finds.
    pub fn seat_index(&self) -> Result<SeatIndex, Refused> {
        let problems = self.validate();
        if problems.is_empty() { Ok(SeatIndex::new(self)) } else { Err(Refused { problems }) }
    }
}

impl SeatIndex {
    /// The layout is valid: the limits hold, so every number fits its type.
    fn new(layout: &Layout) -> Self {
        let category_ids = Names::new(layout.categories.iter().map(|category| category.id.as_str()));
        let category = |id: &str| category_ids.find(id).unwrap_or_default() as u16;
        let mut seat_rows = Vec::with_capacity(layout.seat_count());
        let mut seat_categories = Vec::with_capacity(layout.seat_count());
        let (mut rows, mut sections, mut areas) = (Vec::new(), Vec::new(), Vec::new());
        for section in &layout.sections {
            let number = sections.len() as u16;
            sections.push(SectionEntry {
                first_seat: seat_rows.len() as u32,
                first_row: rows.len() as u16,
                first_area: areas.len() as u16,
            });
            for row in &section.rows {
                let row_number = rows.len() as u16;
                rows.push(RowEntry { section: number, first_seat: seat_rows.len() as u32 });
                for seat in &row.seats {
                    seat_rows.push(row_number);
                    seat_categories.push(category(&seat.category));
                }
            }
            areas.extend(section.areas.iter().map(|area| AreaPlace {
                section: number,
                category: category(&area.category),
                capacity: area.capacity,
            }));
        }
        let all_rows = || layout.sections.iter().flat_map(|section| &section.rows);
        let all_seats = || all_rows().flat_map(|row| &row.seats);
        let all_areas = layout.sections.iter().flat_map(|section| &section.areas);
        let mut index = Self {
            seat_ids: Names::new(all_seats().map(|seat| seat.id.as_str())),
            // At most two thirds full, so that a look-up ends after a slot or two.
            slots: vec![EMPTY; (seat_rows.len() * 3 / 2 + 1).next_power_of_two()].into(),
            hasher: RandomState::new(),
            beside_next: beside_next(layout),
            seat_rows: seat_rows.into(),
            seat_categories: seat_categories.into(),
            row_ids: Names::new(all_rows().map(|row| row.id.as_str())),
            rows: rows.into(),
            section_ids: Names::new(layout.sections.iter().map(|section| section.id.as_str())),
            sections: sections.into(),
            category_ids,
            area_ids: Names::new(all_areas.map(|area| area.id.as_str())),
            areas: areas.into(),
        };
        index.fill_slots();
        index
    }

    fn fill_slots(&mut self) {
        for ordinal in 0..self.seat_count() {
            let mut slot = self.first_slot(self.seat_ids.get(ordinal as usize).unwrap_or_default());
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & (self.slots.len() - 1);
            }
            self.slots[slot] = ordinal;
        }
    }

    fn first_slot(&self, seat_id: &str) -> usize {
        self.hasher.hash_one(seat_id) as usize & (self.slots.len() - 1)
    }

    /// How many seats.
    pub fn seat_count(&self) -> u32 {
        self.seat_rows.len() as u32
    }

    /// The ordinal of a seat.
    pub fn ordinal(&self, seat_id: &str) -> Option<u32> {
        let mut slot = self.first_slot(seat_id);
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                ordinal if self.seat_ids.get(ordinal as usize) == Some(seat_id) => return Some(ordinal),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    /// The id of the seat with this ordinal.
    pub fn seat_id(&self, ordinal: u32) -> Option<&str> {
        self.seat_ids.get(ordinal as usize)
    }

    /// Section, row, position and category of the seat with this ordinal.
    pub fn seat(&self, ordinal: u32) -> Option<SeatPlace> {
        let row = *self.seat_rows.get(ordinal as usize)?;
        let entry = self.rows.get(usize::from(row))?;
        Some(SeatPlace {
            section: entry.section,
            row,
            position: (ordinal - entry.first_seat) as u16,
            category: self.seat_categories[ordinal as usize],
        })
    }

    /// Whether the next seat of the same row is right beside this one, with no aisle between.
    pub fn is_beside_next(&self, ordinal: u32) -> bool {
        let word = self.beside_next.get(ordinal as usize / 64).copied().unwrap_or_default();
        word >> (ordinal % 64) & 1 == 1
    }

    /// How many sections.
    pub fn section_count(&self) -> u16 {
        self.sections.len() as u16
    }

    /// The number of a section; sections are few, so this looks through them.
    pub fn section_number(&self, section_id: &str) -> Option<u16> {
        self.section_ids.find(section_id).map(|number| number as u16)
    }

    /// The id of a section.
    pub fn section_id(&self, section: u16) -> Option<&str> {
        self.section_ids.get(usize::from(section))
    }

    /// The ordinals of a section's seats; empty for an unknown section or one where people stand.
    pub fn section_seats(&self, section: u16) -> Range<u32> {
        let next =
            self.sections.get(usize::from(section) + 1).map_or(self.seat_count(), |next| next.first_seat);
        self.sections.get(usize::from(section)).map_or(0..0, |entry| entry.first_seat..next)
    }

    /// The numbers of a section's rows.
    pub fn section_rows(&self, section: u16) -> Range<u16> {
        let next =
            self.sections.get(usize::from(section) + 1).map_or(self.row_count(), |next| next.first_row);
        self.sections.get(usize::from(section)).map_or(0..0, |entry| entry.first_row..next)
    }

    /// The numbers of a section's areas.
    pub fn section_areas(&self, section: u16) -> Range<u16> {
        let next =
            self.sections.get(usize::from(section) + 1).map_or(self.area_count(), |next| next.first_area);
        self.sections.get(usize::from(section)).map_or(0..0, |entry| entry.first_area..next)
    }

    /// Seats of a section and the capacity of its areas.
    pub fn section_units(&self, section: u16) -> u32 {
        let areas = self.section_areas(section).filter_map(|area| self.area(area));
        self.section_seats(section).len() as u32 + areas.map(|area| area.capacity).sum::<u32>()
    }

    /// How many rows in the whole layout.
    pub fn row_count(&self) -> u16 {
        self.rows.len() as u16
    }

    /// The id of a row.
    pub fn row_id(&self, row: u16) -> Option<&str> {
        self.row_ids.get(usize::from(row))
    }

    /// The number of a section's row with this id; looks through the rows of the section.
    pub fn row_number(&self, section: u16, row_id: &str) -> Option<u16> {
        self.section_rows(section).find(|row| self.row_id(*row) == Some(row_id))
    }

    /// The section of a row.
    pub fn row_section(&self, row: u16) -> Option<u16> {
        self.rows.get(usize::from(row)).map(|entry| entry.section)
    }

    /// The ordinals of a row's seats; empty for an unknown row.
    pub fn row_seats(&self, row: u16) -> Range<u32> {
        let next = self.rows.get(usize::from(row) + 1).map_or(self.seat_count(), |next| next.first_seat);
        self.rows.get(usize::from(row)).map_or(0..0, |entry| entry.first_seat..next)
    }

    /// How many areas in the whole layout.
    pub fn area_count(&self) -> u16 {
        self.areas.len() as u16
    }

    /// The number of an area.
    pub fn area_number(&self, area_id: &str) -> Option<u16> {
        self.area_ids.find(area_id).map(|number| number as u16)
    }

    /// The id of an area.
    pub fn area_id(&self, area: u16) -> Option<&str> {
        self.area_ids.get(usize::from(area))
    }

    /// Section, category and capacity of an area.
    pub fn area(&self, area: u16) -> Option<AreaPlace> {
        self.areas.get(usize::from(area)).copied()
    }

    /// How many categories.
    pub fn category_count(&self) -> u16 {
        self.category_ids.len() as u16
    }

    /// The id of a category.
    pub fn category_id(&self, category: u16) -> Option<&str> {
        self.category_ids.get(usize::from(category))
    }

    /// The number of a category.
    pub fn category_number(&self, category_id: &str) -> Option<u16> {
        self.category_ids.find(category_id).map(|number| number as u16)
    }

    /// Bytes on the heap and in the struct itself.
    pub fn memory_bytes(&self) -> usize {
        let names = [&self.seat_ids, &self.row_ids, &self.section_ids, &self.category_ids, &self.area_ids];
        size_of::<Self>()
            + names.into_iter().map(Names::memory_bytes).sum::<usize>()
            + size_of_val(&*self.slots)
            + size_of_val(&*self.seat_rows)
            + size_of_val(&*self.seat_categories)
            + size_of_val(&*self.beside_next)
            + size_of_val(&*self.rows)
            + size_of_val(&*self.sections)
            + size_of_val(&*self.areas)
    }
}

/// One bit per seat, set when the next seat of the row is no farther than usual. Usual is measured per section: plans
/// from elsewhere have their own distances.
fn beside_next(layout: &Layout) -> Box<[u64]> {
    let mut bits = vec![0_u64; layout.seat_count().div_ceil(64)];
    let mut ordinal = 0;
    for section in &layout.sections {
        let mut gaps: Vec<f64> = section
            .rows
            .iter()
            .flat_map(|row| row.seats.windows(2))
            .map(|pair| polygon::distance(pair[0].position(), pair[1].position()))
            .collect();
        gaps.sort_by(f64::total_cmp);
        let farthest = gaps.get(gaps.len() / 2).copied().unwrap_or_default() * NEIGHBOUR_DISTANCES_MAX;
        for row in &section.rows {
            for (position, seat) in row.seats.iter().enumerate() {
                let next = row.seats.get(position + 1);
                if next.is_some_and(|next| polygon::distance(seat.position(), next.position()) <= farthest) {
                    bits[ordinal / 64] |= 1 << (ordinal % 64);
                }
                ordinal += 1;
            }
        }
    }
    bits.into()
}
