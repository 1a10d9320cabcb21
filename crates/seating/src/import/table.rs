//! A table of stands, sections and rows with how many seats each row has, and no coordinates: the seats are laid out as
//! a stadium around a pitch. The places are likely ones, not surveyed ones; labels and numbers are the table's.

mod bowl;
mod pitch;
mod stand;

use std::collections::HashMap;

use serde::Deserialize;

use super::labels::Labels;
use super::{Imported, PALETTE, json};
use crate::draw::{Drawing, DrawnRow, DrawnSeat};
use crate::geometry::{Attribute, ROWS_MAX, SEATS_MAX, SEATS_PER_ROW_MAX, SECTIONS_MAX};
use crate::report::{Problem, Refused, Repair};

use bowl::{Bowl, Placed};
use stand::{RowPlan, SectionPlan, StandPlan};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    venue: String,
    /// Where the numbers come from; for people only.
    #[serde(default, rename = "note")]
    _note: Option<String>,
    stands: Vec<Stand>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stand {
    stand: String,
    sections: Vec<Section>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    section: String,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    row: String,
    seats: u32,
}

const CATEGORY_NAMES: [&str; 6] =
    ["Premium", "Category 1", "Category 2", "Category 3", "Category 4", "Category 5"];
/// Space around everything drawn.
const MARGIN: f64 = 300.0;
/// Whole units: at the size of a stadium a tenth of a centimetre only makes the JSON longer.
const STEP: f64 = 1.0;
/// A bowl has four sides.
const STANDS_MAX: usize = 4;

pub(super) fn read(bytes: &[u8]) -> Result<Imported, Refused> {
    let table: Table = json::read(bytes)?;
    let problems = problems(&table);
    if !problems.is_empty() {
        return Err(Refused { problems });
    }
    let mut repairs = Vec::new();
    let stands = stands(&table, &mut repairs);
    let bowl = Bowl::around(stands);
    let mut drawing = Drawing::new(&table.venue, CATEGORY_NAMES.into_iter().zip(PALETTE));
    pitch::draw(&mut drawing, &bowl);
    for placed in bowl.sections() {
        draw_section(&mut drawing, &bowl, placed);
    }
    let mut layout = drawing.finish(MARGIN, STEP);
    let used: std::collections::HashSet<_> = layout
        .sections
        .iter()
        .flat_map(|section| &section.rows)
        .flat_map(|row| &row.seats)
        .map(|seat| seat.category.clone())
        .collect();
    layout.categories.retain(|category| used.contains(&category.id));
    Ok(Imported { layout: layout.sealed(), repairs })
}

/// What cannot be laid out, checked before anything is drawn: a short table can ask for a great many seats.
fn problems(table: &Table) -> Vec<Problem> {
    let mut problems = Vec::new();
    let sections =
        || table.stands.iter().flat_map(|stand| stand.sections.iter().map(move |section| (stand, section)));
    let rows =
        || sections().flat_map(|(stand, section)| section.rows.iter().map(move |row| (stand, section, row)));
    let seats: u64 = rows().map(|(.., row)| u64::from(row.seats)).sum();
    let mut more_than = |count: u64, limit: usize, of_what: &str| {
        if count > limit as u64 {
            problems.push(Problem::new("the table", format!("has {count} {of_what}, the limit is {limit}")));
        }
    };
    more_than(seats, SEATS_MAX, "seats");
    more_than(sections().count() as u64, SECTIONS_MAX, "sections");
    more_than(rows().count() as u64, ROWS_MAX, "rows");
    more_than(table.stands.len() as u64, STANDS_MAX, "stands");
    if seats == 0 {
        problems.push(Problem::new("the table", "has no seats at all"));
    }
    for (stand, section, row) in rows().filter(|(.., row)| row.seats as usize > SEATS_PER_ROW_MAX) {
        let place = format!("stand {}, section {}, row {}", stand.stand, section.section, row.row);
        problems
            .push(Problem::new(place, format!("has {} seats, the limit is {SEATS_PER_ROW_MAX}", row.seats)));
    }
    problems
}

/// The table with its labels put right.
fn stands(table: &Table, repairs: &mut Vec<Repair>) -> Vec<StandPlan> {
    let sides = stand::sides(table.stands.iter().map(|stand| stand.stand.as_str()), repairs);
    let mut section_names = Labels::default();
    let mut plans = Vec::new();
    let mut order = 0;
    for (stand, side) in table.stands.iter().zip(sides) {
        let mut sections = Vec::new();
        for section in &stand.sections {
            let place = format!("stand {}, section {}", stand.stand, section.section);
            // An underscore is how a program writes a space.
            let name = section.section.replace('_', " ");
            if name != section.section {
                repairs.push(Repair::new(&place, format!("the section is shown as {name:?}")));
            }
            let rows = rows(section, &place, repairs);
            if rows.is_empty() {
                repairs.push(Repair::new(&place, "has no seats, the section was left out"));
                continue;
            }
            let fallback = format!("Section {}", sections.len() + 1);
            let name = section_names.distinct(&name, &fallback, "section", &place, repairs);
            let is_numbered = section.section.chars().all(|character| character.is_ascii_digit());
            order += 1;
            sections.push(SectionPlan { order, name, is_numbered, rows });
        }
        plans.push(StandPlan::new(&stand.stand, side, sections));
    }
    plans
}

fn rows(section: &Section, place: &str, repairs: &mut Vec<Repair>) -> Vec<RowPlan> {
    let mut labels = Labels::default();
    let mut first_with_number: HashMap<i64, &str> = HashMap::new();
    let mut rows = Vec::new();
    for (number, row) in section.rows.iter().enumerate() {
        let place = format!("{place}, row {}", row.row);
        if row.seats == 0 {
            repairs.push(Repair::new(&place, "has no seats, the row was left out"));
            continue;
        }
        let label = labels.distinct(&row.row, &(number + 1).to_string(), "row", &place, repairs);
        odd_number(&row.row, &place, &mut first_with_number, repairs);
        rows.push(RowPlan { label, seats: row.seats as usize, number: row.row.trim().parse().ok() });
    }
    rows
}

/// A number that nobody would write on a row, such as "-2", "-02" or "00", is kept, because the signs in the stadium may
/// say the same; whoever imports it is told, also which other row reads as the same number.
fn odd_number<'a>(
    label: &'a str,
    place: &str,
    first_with_number: &mut HashMap<i64, &'a str>,
    repairs: &mut Vec<Repair>,
) {
    let Ok(number) = label.trim().parse::<i64>() else { return };
    let first = *first_with_number.entry(number).or_insert(label);
    if number.to_string() == label.trim() && number > 0 && first == label {
        return;
    }
    let twin = if first == label {
        String::new()
    } else {
        format!(" and reads as the same number as row {first:?}, both have their own id")
    };
    repairs.push(Repair::new(
        place,
        format!("the label {label:?} is kept{twin}; compare it with the sign on the row"),
    ));
}

fn draw_section(drawing: &mut Drawing, bowl: &Bowl, placed: &Placed) {
    let block = bowl.block(placed);
    let plan = &placed.plan;
    let rows = plan.rows.iter().zip(&placed.depths).map(|(row, depth)| {
        let category = bowl.category(placed, *depth);
        let points = block.seats(*depth, row.seats);
        let last = points.len() - 1;
        let seats = points.into_iter().enumerate().map(|(position, at)| DrawnSeat {
            label: (position + 1).to_string(),
            at,
            category,
            attributes: if position == 0 || position == last { vec![Attribute::Aisle] } else { Vec::new() },
        });
        DrawnRow { label: row.label.clone(), seats: seats.collect() }
    });
    let rows = rows.collect();
    drawing.section(&plan.name, Some(bowl.outline(placed)), rows);
}
