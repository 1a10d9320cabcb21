//! Seats that lie on each other: a plan with two floors often draws one over the other.

use std::collections::HashMap;

use super::ZonePlan;
use crate::geometry::{Point, SEAT_PITCH, polygon};
use crate::report::{Problem, Refused, Repair};

/// Seats nearer than this cannot both be touched with a finger.
const TOO_NEAR: f64 = SEAT_PITCH * 0.6;
/// Space between floors that are drawn beside each other.
const FLOOR_GAP: f64 = SEAT_PITCH * 4.0;
/// After this many seats on each other the rest is only counted.
const COINCIDENCES_SHOWN_MAX: usize = 20;

/// The usual distance from seat to seat, in the plan's units; `None` when no row has two seats.
pub(super) fn pitch(zones: &[ZonePlan]) -> Option<f64> {
    let rows = zones.iter().flat_map(|zone| &zone.rows);
    let mut distances: Vec<f64> = rows
        .flat_map(|row| row.seats.windows(2))
        .map(|pair| polygon::distance(pair[0].at, pair[1].at))
        .filter(|distance| distance.is_finite() && *distance > 1e-3)
        .collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).copied()
}

/// Seats sorted into squares as wide as the distance that counts, so that each is compared with nine squares only.
struct Squares<T> {
    seats: HashMap<(i64, i64), Vec<(Point, T)>>,
}

impl<T: Copy> Squares<T> {
    fn new() -> Self {
        Self { seats: HashMap::new() }
    }

    fn square(point: Point) -> (i64, i64) {
        ((point[0] / TOO_NEAR).floor() as i64, (point[1] / TOO_NEAR).floor() as i64)
    }

    fn near(&self, point: Point) -> Option<T> {
        let (column, row) = Self::square(point);
        let squares =
            (-1..=1).flat_map(|x| (-1..=1).map(move |y| (column.saturating_add(x), row.saturating_add(y))));
        squares
            .filter_map(|square| self.seats.get(&square))
            .flatten()
            .find(|(other, _)| polygon::distance(point, *other) < TOO_NEAR)
            .map(|(_, seat)| *seat)
    }

    fn add(&mut self, point: Point, seat: T) {
        self.seats.entry(Self::square(point)).or_default().push((point, seat));
    }
}

/// Refuses seats of one zone that lie on each other: which of them exists only a person knows.
pub(super) fn coincidences(zones: &[ZonePlan]) -> Result<(), Refused> {
    let mut problems = Vec::new();
    let mut count = 0;
    for zone in zones {
        let mut squares = Squares::new();
        for (row_number, row) in zone.rows.iter().enumerate() {
            for (seat_number, seat) in row.seats.iter().enumerate() {
                if let Some((other_row, other_seat)) = squares.near(seat.at) {
                    count += 1;
                    if problems.len() < COINCIDENCES_SHOWN_MAX {
                        let other: &crate::draw::DrawnRow = &zone.rows[other_row];
                        let place = format!("zone {}, row {}, seat {}", zone.name, row.label, seat.label);
                        let other_label: &crate::draw::DrawnSeat = &other.seats[other_seat];
                        let what = format!(
                            "lies on row {}, seat {}; move one of them",
                            other.label, other_label.label
                        );
                        problems.push(Problem::new(place, what));
                    }
                }
                squares.add(seat.at, (row_number, seat_number));
            }
        }
    }
    if count > problems.len() {
        problems.push(Problem::new("the plan", format!("has {count} seats that lie on another one")));
    }
    if problems.is_empty() { Ok(()) } else { Err(Refused { problems }) }
}

/// Moves a zone that lies on earlier ones beside all of them, towards the side on which it lies already.
pub(super) fn apart(zones: &mut [ZonePlan], repairs: &mut Vec<Repair>) {
    let mut squares: Squares<usize> = Squares::new();
    for number in 0..zones.len() {
        let under = zones[number].points().find_map(|point| squares.near(point));
        let earlier = polygon::bounds(zones[..number].iter().flat_map(ZonePlan::points));
        let own = polygon::bounds(zones[number].points());
        if let (Some(under), Some(earlier), Some(own)) = (under, earlier, own) {
            let (shift, side) = shift(earlier, own);
            zones[number].change(|[x, y]| [x + shift[0], y + shift[1]]);
            let what = format!("lies on zone {}, it is drawn {side} everything before it", zones[under].name);
            repairs.push(Repair::new(format!("zone {}", zones[number].name), what));
        }
        for point in zones[number].points() {
            squares.add(point, number);
        }
    }
}

/// How far a box has to move to lie outside of another, up or down or sideways as its middle lies already.
fn shift((low, high): (Point, Point), (own_low, own_high): (Point, Point)) -> (Point, &'static str) {
    let from_middle = |axis: usize| {
        let size = (high[axis] - low[axis]).max(1.0);
        ((own_low[axis] + own_high[axis]) - (low[axis] + high[axis])) / size
    };
    let (across, down) = (from_middle(0), from_middle(1));
    if across.abs() > down.abs() {
        if across < 0.0 {
            ([low[0] - FLOOR_GAP - own_high[0], 0.0], "left of")
        } else {
            ([high[0] + FLOOR_GAP - own_low[0], 0.0], "right of")
        }
    } else if down < 0.0 {
        ([0.0, low[1] - FLOOR_GAP - own_high[1]], "above")
    } else {
        ([0.0, high[1] + FLOOR_GAP - own_low[1]], "below")
    }
}
