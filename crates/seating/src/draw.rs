//! Drawing a room: rows along tracks, outlines around them, ids from labels. Shared by the generated venues and by the
//! importer of tables without coordinates.

mod block;
mod drawing;
mod ids;
mod track;

pub(crate) use block::{Block, SEAT_REACH};
pub(crate) use drawing::{Drawing, DrawnRow, DrawnSeat};
pub(crate) use ids::{Ids, slug};
pub(crate) use track::{Piece, Track};

use crate::geometry::Point;

/// A box with corners `low` and `high`.
pub(crate) fn rectangle(low: Point, high: Point) -> Vec<Point> {
    vec![low, [high[0], low[1]], high, [low[0], high[1]]]
}

/// A box around a middle, with round corners.
pub(crate) fn rounded_rectangle(low: Point, high: Point, radius: f64) -> Vec<Point> {
    const STEPS: usize = 6;
    let corners = [
        ([high[0] - radius, low[1] + radius], -90.0_f64),
        ([high[0] - radius, high[1] - radius], 0.0),
        ([low[0] + radius, high[1] - radius], 90.0),
        ([low[0] + radius, low[1] + radius], 180.0),
    ];
    let corner = |(center, from): (Point, f64)| {
        (0..=STEPS)
            .map(move |step| polar(center, radius, (from + 90.0 * step as f64 / STEPS as f64).to_radians()))
    };
    corners.into_iter().flat_map(corner).collect()
}

/// An arc as an open line; angles in radians, clockwise from the right as on a screen.
pub(crate) fn arc(center: Point, radius: f64, from: f64, sweep: f64, steps: usize) -> Vec<Point> {
    (0..=steps).map(|step| polar(center, radius, from + sweep * step as f64 / steps as f64)).collect()
}

/// The point at an angle (radians, clockwise from the right) and a distance.
pub(crate) fn polar(center: Point, radius: f64, angle: f64) -> Point {
    [center[0] + radius * angle.cos(), center[1] + radius * angle.sin()]
}
