//! pretix's seating plans: zones with rows and seats at absolute places. A zone becomes a section.

mod area;
mod outline;
mod plan;
mod spread;

use std::collections::{HashMap, HashSet};

use super::labels::{Labels, cleaned};
use super::{Imported, PALETTE, json};
use crate::draw::{Drawing, DrawnRow, DrawnSeat};
use crate::geometry::{Point, SEAT_PITCH, SECTIONS_MAX};
use crate::report::{Problem, Refused, Repair};

use area::Drawn;
use plan::{Plan, Position, Row, Zone};

/// Space around everything drawn.
const MARGIN: f64 = 120.0;
const STEP: f64 = 0.1;
/// From seat to seat in pretix's editor when a plan is too small to tell.
const PITCH_USUAL: f64 = 25.0;

/// A zone with its labels put right, in the plan's coordinates.
#[derive(Debug)]
struct ZonePlan {
    name: String,
    rows: Vec<DrawnRow>,
    shapes: Vec<Drawn>,
}

impl ZonePlan {
    fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.at)
    }

    /// Moves and enlarges everything in it.
    fn change(&mut self, change: impl Fn(Point) -> Point) {
        for seat in self.rows.iter_mut().flat_map(|row| &mut row.seats) {
            seat.at = change(seat.at);
        }
        for point in self.shapes.iter_mut().flat_map(|shape| &mut shape.polygon) {
            *point = change(*point);
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Imported, Refused> {
    let plan: Plan = json::read(bytes)?;
    let mut repairs = Vec::new();
    let mut problems = Vec::new();
    if plan.zones.len() > SECTIONS_MAX {
        let what = format!("has {} zones, the limit is {SECTIONS_MAX}", plan.zones.len());
        return Err(Refused::because("the plan", what));
    }
    let (categories, category_numbers) = categories(&plan, &mut repairs);
    let mut names = Labels::default();
    let mut zones: Vec<ZonePlan> = Vec::new();
    for (number, zone) in plan.zones.iter().enumerate() {
        zones.push(read_zone(number, zone, &category_numbers, &mut names, &mut repairs, &mut problems));
    }
    if problems.is_empty() && zones.iter().all(|zone| zone.rows.is_empty()) {
        problems.push(Problem::new("the plan", "has no seats at all"));
    }
    if !problems.is_empty() {
        return Err(Refused { problems });
    }
    let scale = SEAT_PITCH / spread::pitch(&zones).unwrap_or(PITCH_USUAL);
    zones.iter_mut().for_each(|zone| zone.change(|point| point.map(|value| value * scale)));
    spread::coincidences(&zones)?;
    spread::apart(&mut zones, &mut repairs);
    let name = if cleaned(&plan.name).is_empty() { "Seating plan".to_owned() } else { cleaned(&plan.name) };
    let mut drawing =
        Drawing::new(&name, categories.iter().map(|(name, color)| (name.as_str(), color.as_str())));
    let outlines = outline::outlines(&zones, &mut repairs);
    for (zone, outline) in zones.into_iter().zip(outlines) {
        for Drawn { kind, polygon, label, color } in zone.shapes {
            drawing.shape(kind, polygon, label.as_deref()).color = color.as_deref().and_then(hexadecimal);
        }
        if !zone.rows.is_empty() {
            drawing.section(&zone.name, outline, zone.rows);
        }
    }
    Ok(Imported { layout: drawing.finish(MARGIN, STEP), repairs })
}

/// Names and colours, and the number of each name.
fn categories(plan: &Plan, repairs: &mut Vec<Repair>) -> (Vec<(String, String)>, HashMap<String, usize>) {
    let mut categories: Vec<(String, String)> = Vec::new();
    let mut numbers = HashMap::new();
    for category in &plan.categories {
        let place = format!("category {}", category.name);
        if numbers.contains_key(&category.name) {
            repairs.push(Repair::new(place, "is given more than once, the first one counts"));
            continue;
        }
        let usual = PALETTE[categories.len() % PALETTE.len()];
        let color = match &category.color {
            None => usual.to_owned(),
            Some(given) => hexadecimal(given).unwrap_or_else(|| {
                let what = format!("the color {given:?} is not # and hexadecimal digits, it became {usual}");
                repairs.push(Repair::new(&place, what));
                usual.to_owned()
            }),
        };
        let fallback = format!("Category {}", categories.len() + 1);
        let name = cleaned(&category.name);
        numbers.insert(category.name.clone(), categories.len());
        categories.push((if name.is_empty() { fallback } else { name }, color));
    }
    (categories, numbers)
}

/// `#rrggbb` of a colour in one of the hexadecimal forms.
fn hexadecimal(color: &str) -> Option<String> {
    let digits = color.trim().strip_prefix('#')?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match digits.len() {
        3 | 4 => {
            Some(digits[..3].chars().fold("#".to_owned(), |color, digit| format!("{color}{digit}{digit}")))
        }
        6 | 8 => Some(format!("#{}", &digits[..6])),
        _ => None,
    }
}

fn read_zone(
    number: usize,
    zone: &Zone,
    categories: &HashMap<String, usize>,
    names: &mut Labels,
    repairs: &mut Vec<Repair>,
    problems: &mut Vec<Problem>,
) -> ZonePlan {
    let fallback = zone.zone_id.clone().unwrap_or_else(|| format!("Zone {}", number + 1));
    let given = zone.name.as_deref().unwrap_or_default();
    let shapes = zone.areas.iter().filter_map(|area| area::drawn(area, zone.position)).collect();
    if zone.rows.iter().all(|row| row.seats.is_empty()) {
        if !zone.rows.is_empty() {
            let place = format!("zone {}", if given.is_empty() { &fallback } else { given });
            repairs.push(Repair::new(place, "has no seats, only what it draws was kept"));
        }
        return ZonePlan { name: fallback, rows: Vec::new(), shapes };
    }
    let name = names.distinct(given, &cleaned(&fallback), "zone", &format!("zone {}", number + 1), repairs);
    repeated_guids(zone, &name, repairs);
    let mut labels = Labels::default();
    let mut rows = Vec::with_capacity(zone.rows.len());
    for (number, row) in zone.rows.iter().enumerate() {
        let place = format!("zone {name}, row {} (row {} of the zone)", row.row_number, number + 1);
        if row.seats.is_empty() {
            repairs.push(Repair::new(place, "has no seats, the row was left out"));
            continue;
        }
        let label = labels.distinct(&row.row_number, &(number + 1).to_string(), "row", &place, repairs);
        let seats = seats(row, zone.position, &place, categories, repairs, problems);
        rows.push(DrawnRow { label, seats });
    }
    ZonePlan { name, rows, shapes }
}

fn seats(
    row: &Row,
    zone: Position,
    place: &str,
    categories: &HashMap<String, usize>,
    repairs: &mut Vec<Repair>,
    problems: &mut Vec<Problem>,
) -> Vec<DrawnSeat> {
    let mut labels = Labels::default();
    let mut seats = Vec::with_capacity(row.seats.len());
    for (number, seat) in row.seats.iter().enumerate() {
        let place = format!("{place}, seat {}", seat.seat_number);
        let Some(category) = categories.get(&seat.category).copied() else {
            let mut known: Vec<_> = categories.keys().map(String::as_str).collect();
            known.sort_unstable();
            let known = known.join(", ");
            problems.push(Problem::new(
                place,
                format!("its category {:?} is not in the plan's categories: {known}", seat.category),
            ));
            continue;
        };
        let label = labels.distinct(&seat.seat_number, &(number + 1).to_string(), "seat", &place, repairs);
        let at = [zone.x + row.position.x + seat.position.x, zone.y + row.position.y + seat.position.y];
        seats.push(DrawnSeat { label, at, category, attributes: Vec::new() });
    }
    seats
}

/// pretix wants its seat ids unique; ours are made of labels, so repeated ones only need to be said.
fn repeated_guids(zone: &Zone, name: &str, repairs: &mut Vec<Repair>) {
    let mut seen = HashSet::new();
    let seats = zone.rows.iter().flat_map(|row| &row.seats);
    let repeated = seats.filter(|seat| !seen.insert(seat.seat_guid.as_str())).count();
    if repeated > 0 {
        let what = format!(
            "{repeated} seats repeat the seat_guid of another; ids were made of section, row and seat"
        );
        repairs.push(Repair::new(format!("zone {name}"), what));
    }
}
