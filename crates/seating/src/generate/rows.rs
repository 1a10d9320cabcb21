//! Labels of rows, numbers of seats and what is special about them.

use crate::draw::{Block, DrawnRow, DrawnSeat};
use crate::geometry::Attribute;

/// Row letters as theatres use them: without I and O, which read like 1 and 0; AA follows Z.
pub(super) fn row_letter(row: usize) -> String {
    const LETTERS: &[u8; 24] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
    let letter = char::from(LETTERS[row % LETTERS.len()]);
    std::iter::repeat_n(letter, row / LETTERS.len() + 1).collect()
}

/// A row of a block, as full as it gets: seats numbered from `first_number`, those at the ends beside an aisle.
pub(super) fn full_row(
    block: &Block<'_>,
    row: usize,
    label: String,
    first_number: usize,
    category: usize,
) -> DrawnRow {
    row_of(block, row, block.room(row), label, first_number, category)
}

/// A row of a block with so many seats, in its middle.
pub(super) fn row_of(
    block: &Block<'_>,
    row: usize,
    count: usize,
    label: String,
    first_number: usize,
    category: usize,
) -> DrawnRow {
    let points = block.seats(row, count);
    let last = points.len().saturating_sub(1);
    let seats = points.into_iter().enumerate().map(|(position, at)| DrawnSeat {
        label: (first_number + position).to_string(),
        at,
        category,
        attributes: if position == 0 || position == last { vec![Attribute::Aisle] } else { Vec::new() },
    });
    DrawnRow { label, seats: seats.collect() }
}

/// Makes the first or last seats of a row places for wheelchairs, each with a companion beside it.
pub(super) fn make_accessible(row: &mut DrawnRow, pairs: usize, at_end: bool) {
    let count = row.seats.len();
    for number in 0..(2 * pairs).min(count) {
        let position = if at_end { count - 1 - number } else { number };
        let special = if number % 2 == 0 { Attribute::Accessible } else { Attribute::Companion };
        row.seats[position].attributes.insert(0, special);
    }
}

/// Marks a whole row.
pub(super) fn mark(row: &mut DrawnRow, attribute: Attribute) {
    for seat in &mut row.seats {
        seat.attributes.push(attribute);
    }
}
