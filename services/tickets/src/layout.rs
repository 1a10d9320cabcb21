//! A layout as this service keeps it in memory: numbers for the database, ids and labels for people.

use livehouse_seating::{Layout, SeatIndex};

use crate::domain::hold::{SeatOrdinal, SectionNumber};

/// One immutable layout.
#[derive(Debug)]
pub struct IndexedLayout {
    /// Content hash.
    pub hash: String,
    /// From ids to numbers and back.
    pub index: SeatIndex,
    labels: Labels,
}

/// Labels of everything, packed: a layout of 40,000 seats needs a few hundred kilobytes.
#[derive(Debug)]
struct Labels {
    seats: Packed,
    rows: Packed,
    sections: Packed,
    areas: Packed,
}

#[derive(Debug, Default)]
struct Packed {
    text: String,
    ends: Vec<u32>,
}

impl Packed {
    fn collect<'a>(labels: impl Iterator<Item = &'a str>) -> Self {
        let mut packed = Self::default();
        for label in labels {
            packed.text.push_str(label);
            packed.ends.push(packed.text.len() as u32);
        }
        packed.text.shrink_to_fit();
        packed.ends.shrink_to_fit();
        packed
    }

    fn get(&self, number: usize) -> &str {
        let end = self.ends.get(number).copied().unwrap_or_default() as usize;
        let start =
            number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default()
                as usize;
        self.text.get(start..end).unwrap_or_default()
    }
}

impl IndexedLayout {
    /// Indexes a layout; refused when it is not valid.
    pub fn new(layout: &Layout) -> anyhow::Result<Self> {
        let index =
            layout.seat_index().map_err(|refused| anyhow::anyhow!("the layout is not valid: {refused}"))?;
        let sections = || layout.sections.iter();
        let rows = || sections().flat_map(|section| section.rows.iter());
        let labels = Labels {
            seats: Packed::collect(rows().flat_map(|row| row.seats.iter()).map(|seat| seat.label.as_str())),
            rows: Packed::collect(rows().map(|row| row.label.as_str())),
            sections: Packed::collect(sections().map(|section| section.name.as_str())),
            areas: Packed::collect(
                sections().flat_map(|section| section.areas.iter()).map(|area| area.name.as_str()),
            ),
        };
        Ok(Self { hash: layout.hash(), index, labels })
    }

    /// Seated sections and areas together.
    #[must_use]
    pub fn section_count(&self) -> u16 {
        self.index.section_count() + self.index.area_count()
    }

    /// Is this number an area's?
    #[must_use]
    pub fn is_area(&self, number: SectionNumber) -> bool {
        number >= self.index.section_count()
    }

    /// The number of an area, counted behind the seated sections.
    #[must_use]
    pub fn area_number(&self, id: &str) -> Option<SectionNumber> {
        self.index.area_number(id).map(|area| area + self.index.section_count())
    }

    /// The layout's own number of an area.
    const fn area_of(&self, number: SectionNumber, sections: u16) -> u16 {
        number - sections
    }

    /// The id of a section or area.
    #[must_use]
    pub fn section_id(&self, number: SectionNumber) -> &str {
        let sections = self.index.section_count();
        let id = if number < sections {
            self.index.section_id(number)
        } else {
            self.index.area_id(self.area_of(number, sections))
        };
        id.unwrap_or_default()
    }

    /// Seats of a section, or units of an area.
    #[must_use]
    pub fn capacity(&self, number: SectionNumber) -> u32 {
        let sections = self.index.section_count();
        if number < sections {
            return self.index.section_seats(number).len() as u32;
        }
        self.index.area(self.area_of(number, sections)).map_or(0, |area| area.capacity)
    }

    /// The number of the price category of a seat.
    #[must_use]
    pub fn seat_category(&self, seat: SeatOrdinal) -> u16 {
        self.index.seat(seat).map_or(0, |place| place.category)
    }

    /// The number of the price category of an area.
    #[must_use]
    pub fn area_category(&self, number: SectionNumber) -> u16 {
        self.index.area(self.area_of(number, self.index.section_count())).map_or(0, |area| area.category)
    }

    /// The id of a price category.
    #[must_use]
    pub fn category_id(&self, category: u16) -> &str {
        self.index.category_id(category).unwrap_or_default()
    }

    /// For people: `Stalls left, row C, seat 14`.
    #[must_use]
    pub fn seat_label(&self, seat: SeatOrdinal) -> String {
        let Some(place) = self.index.seat(seat) else { return String::new() };
        let section = self.labels.sections.get(usize::from(place.section));
        let row = self.labels.rows.get(usize::from(place.row));
        format!("{section}, row {row}, seat {}", self.labels.seats.get(seat as usize))
    }

    /// For people: `Standing floor`.
    #[must_use]
    pub fn area_label(&self, number: SectionNumber) -> &str {
        self.labels.areas.get(usize::from(self.area_of(number, self.index.section_count())))
    }
}
