//! Checks that many tests share.

use std::collections::{HashMap, HashSet};

use livehouse_seating::geometry::{SEAT_PITCH, contains};
use livehouse_seating::{Layout, Point, Section};

pub(crate) fn seats(section: &Section) -> impl Iterator<Item = (&str, Point)> {
    section.rows.iter().flat_map(|row| &row.seats).map(|seat| (seat.id.as_str(), seat.position()))
}

pub(crate) fn ids_are_unique_and_well_formed(layout: &Layout) {
    let is_id = |id: &str| {
        (1..=64).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let mut kinds: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut add = |kind, id| {
        assert!(is_id(id), "{kind} id {id:?} is not well-formed");
        assert!(kinds.entry(kind).or_default().insert(id), "{kind} id {id:?} is used twice");
    };
    for section in &layout.sections {
        add("section or area", &section.id);
        assert!(!["free", "total", "seq"].contains(&section.id.as_str()));
        section.areas.iter().for_each(|area| add("section or area", &area.id));
        for row in &section.rows {
            add("row", &row.id);
            row.seats.iter().for_each(|seat| add("seat", &seat.id));
        }
    }
}

/// Every seat lies in the outline of its own section and in no other outline. Returns how many pairs were compared.
pub(crate) fn sections_do_not_overlap(layout: &Layout) -> usize {
    let mut pairs = 0;
    let outlines: Vec<(usize, &Vec<Point>, Point, Point)> = layout
        .sections
        .iter()
        .enumerate()
        .filter_map(|(number, section)| section.polygon.as_ref().map(|polygon| (number, polygon)))
        .map(|(number, polygon)| {
            let fold = |axis: usize, pick: fn(f64, f64) -> f64| {
                polygon.iter().map(|p| p[axis]).reduce(pick).unwrap()
            };
            let (low, high) =
                ([fold(0, f64::min), fold(1, f64::min)], [fold(0, f64::max), fold(1, f64::max)]);
            (number, polygon, low, high)
        })
        .collect();
    for (number, section) in layout.sections.iter().enumerate() {
        for (id, at) in seats(section) {
            for (outline, polygon, low, high) in &outlines {
                let in_box = (0..2).all(|axis| low[axis] <= at[axis] && at[axis] <= high[axis]);
                let inside = in_box && contains(polygon, at);
                pairs += 1;
                let name = &layout.sections[*outline].name;
                assert_eq!(
                    inside,
                    *outline == number,
                    "seat {id} at {at:?} and the outline of section {name}"
                );
            }
        }
    }
    // An edge of one outline must not reach into another section either.
    for (number, polygon, ..) in &outlines {
        for (other, other_polygon, low, high) in &outlines {
            for point in polygon.iter().filter(|_| number != other) {
                let in_box = (0..2).all(|axis| low[axis] <= point[axis] && point[axis] <= high[axis]);
                let names = (&layout.sections[*number].name, &layout.sections[*other].name);
                assert!(
                    !(in_box && contains(other_polygon, *point)),
                    "outlines of {names:?} overlap at {point:?}"
                );
            }
        }
    }
    pairs
}

/// No two seats of a section are nearer than 60 % of the pitch. Returns the smallest distance of the layout.
pub(crate) fn seats_keep_their_distance(layout: &Layout) -> f64 {
    let nearest_allowed = SEAT_PITCH * 0.6;
    let mut nearest = f64::INFINITY;
    for section in &layout.sections {
        let mut squares: HashMap<(i64, i64), Vec<Point>> = HashMap::new();
        for (id, at) in seats(section) {
            let square = ((at[0] / SEAT_PITCH).floor() as i64, (at[1] / SEAT_PITCH).floor() as i64);
            let around = (-1..=1).flat_map(|x| (-1..=1).map(move |y| (square.0 + x, square.1 + y)));
            for other in around.filter_map(|square| squares.get(&square)).flatten() {
                let distance = (at[0] - other[0]).hypot(at[1] - other[1]);
                assert!(
                    distance >= nearest_allowed,
                    "seat {id} at {at:?} is {distance:.1} from one at {other:?}"
                );
                nearest = nearest.min(distance);
            }
            squares.entry(square).or_default().push(at);
        }
    }
    nearest
}

pub(crate) fn is_valid(layout: &Layout) {
    let problems: Vec<String> = layout.validate().iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{} has problems: {problems:#?}", layout.name);
    assert_eq!(layout.id, layout.hash(), "the id of {} is its hash", layout.name);
}
