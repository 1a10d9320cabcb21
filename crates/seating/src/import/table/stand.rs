//! The stands of a table: which side of the pitch they are on and how deep each of their rows lies.

use crate::report::Repair;

/// The sides clockwise. Pitches lie north to south; on the screen the pitch lies across, with the west at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Top,
    Right,
    Bottom,
    Left,
}

/// A stand with labels put right.
#[derive(Debug)]
pub(super) struct StandPlan {
    pub(super) name: String,
    pub(super) side: Side,
    /// Sections side by side, clockwise.
    pub(super) beside: Vec<SectionPlan>,
    /// Sections behind or above those: lounges and boxes, whose names are not numbers among numbers.
    pub(super) behind: Vec<SectionPlan>,
}

#[derive(Debug, Clone)]
pub(super) struct SectionPlan {
    /// Its place in the table.
    pub(super) order: usize,
    pub(super) name: String,
    pub(super) is_numbered: bool,
    pub(super) rows: Vec<RowPlan>,
}

#[derive(Debug, Clone)]
pub(super) struct RowPlan {
    pub(super) label: String,
    /// At least 1.
    pub(super) seats: usize,
    /// The label as a number.
    pub(super) number: Option<i64>,
}

const CLOCKWISE: [Side; 4] = [Side::Top, Side::Right, Side::Bottom, Side::Left];

/// The side of every stand. Four points of the compass have their own sides; other names take them as they come.
pub(super) fn sides<'a>(names: impl Iterator<Item = &'a str>, repairs: &mut Vec<Repair>) -> Vec<Side> {
    let names: Vec<&str> = names.collect();
    let by_compass: Option<Vec<Side>> = names.iter().map(|name| compass(name)).collect();
    if let Some(sides) = by_compass
        && sides.iter().enumerate().all(|(number, side)| !sides[..number].contains(side))
    {
        return sides;
    }
    for (name, side) in names.iter().zip(CLOCKWISE) {
        let what = format!(
            "the stands are not four different points of the compass, this one is drawn at the {side:?}"
        );
        repairs.push(Repair::new(format!("stand {name}"), what.to_lowercase()));
    }
    CLOCKWISE.into_iter().take(names.len()).collect()
}

fn compass(name: &str) -> Option<Side> {
    match name.trim().to_lowercase().as_str() {
        "west" => Some(Side::Top),
        "north" => Some(Side::Right),
        "east" => Some(Side::Bottom),
        "south" => Some(Side::Left),
        _ => None,
    }
}

impl StandPlan {
    pub(super) fn new(name: &str, side: Side, sections: Vec<SectionPlan>) -> Self {
        let numbered = sections.iter().filter(|section| section.is_numbered).count();
        let has_numbers = 2 * numbered >= sections.len() && numbered > 0;
        let (beside, behind) = sections.into_iter().partition(|section| section.is_numbered || !has_numbers);
        Self { name: name.to_owned(), side, beside, behind }
    }

    /// The lowest row number that decides a depth: the rows of the whole stand count from here.
    pub(super) fn first_number(&self) -> i64 {
        let numbers = self.beside.iter().filter(|section| section.counts_depth());
        numbers.filter_map(|section| section.rows.first()?.number).min().unwrap_or(1)
    }
}

impl SectionPlan {
    /// Whether the row numbers say how deep the rows lie: they rise, and not by leaps.
    fn counts_depth(&self) -> bool {
        const MISSING_MAX: i64 = 40;
        let rising = self.rows.windows(2).all(|pair| match (pair[0].number, pair[1].number) {
            (Some(one), Some(next)) => one < next,
            _ => false,
        });
        match (self.rows.first().and_then(|row| row.number), self.rows.last().and_then(|row| row.number)) {
            (Some(first), Some(last)) if rising => {
                first.abs() < 1_000 && last - first < self.rows.len() as i64 + MISSING_MAX
            }
            _ => false,
        }
    }

    /// How many rows lie before each row, counted from the stand's first number. Where a number is missing there is a
    /// gangway; where the numbers make no sense the rows follow each other.
    pub(super) fn depths(&self, first_number: i64) -> Vec<usize> {
        if !self.counts_depth() {
            return (0..self.rows.len()).collect();
        }
        // A section behind the others may begin with a lower number than all of them.
        let numbers = || self.rows.iter().filter_map(|row| row.number);
        let first_number = numbers().fold(first_number, i64::min);
        numbers().map(|number| usize::try_from(number - first_number).unwrap_or_default()).collect()
    }
}
