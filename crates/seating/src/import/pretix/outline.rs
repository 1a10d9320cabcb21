//! Outlines of zones, which a plan does not have.

use std::f64::consts::TAU;

use super::ZonePlan;
use crate::draw::{SEAT_REACH, polar};
use crate::geometry::{Point, SEAT_PITCH, contains, polygon};
use crate::report::Repair;

/// A zone whose middle is empty this far around is a ring, not a block.
const RING_RADIUS_MIN: f64 = SEAT_PITCH * 5.0;
/// Directions in which the inner edge of a ring is measured.
const DIRECTIONS: usize = 72;

/// An outline for each zone that has seats; none for a zone that has seats of another one inside.
pub(super) fn outlines(zones: &[ZonePlan], repairs: &mut Vec<Repair>) -> Vec<Option<Vec<Point>>> {
    let points: Vec<Vec<Point>> = zones.iter().map(|zone| zone.points().collect()).collect();
    let boxes: Vec<_> = points.iter().map(|points| polygon::bounds(points.iter().copied())).collect();
    let mut outlines = Vec::with_capacity(zones.len());
    for (number, zone) in zones.iter().enumerate() {
        let outline = outline(&points[number]);
        let Some((low, high)) = polygon::bounds(outline.iter().copied()) else {
            outlines.push(None);
            continue;
        };
        let is_near = |other: usize| {
            boxes[other].is_some_and(|(other_low, other_high): (Point, Point)| {
                (0..2).all(|axis| low[axis] <= other_high[axis] && other_low[axis] <= high[axis])
            })
        };
        let intruder = (0..zones.len())
            .filter(|other| *other != number && is_near(*other))
            .find(|other| points[*other].iter().any(|point| contains(&outline, *point)));
        if let Some(other) = intruder {
            let what =
                format!("is drawn without an outline, because seats of {} lie inside it", zones[other].name);
            repairs.push(Repair::new(format!("zone {}", zone.name), what));
        }
        outlines.push(Some(outline).filter(|_| intruder.is_none()));
    }
    outlines
}

/// A hull, or a hull with its middle left out.
fn outline(points: &[Point]) -> Vec<Point> {
    let hull = polygon::padded_hull(points, SEAT_REACH);
    match polygon::middle(&hull).and_then(|middle| ring(points, &hull, middle)) {
        Some(ring) if points.iter().all(|point| contains(&ring, *point)) => ring,
        _ => hull,
    }
}

/// The outline of seats all round a middle: outside along, then inside back. It is open in the direction in which the
/// widest gap between seats is, so one line is enough for both edges.
fn ring(points: &[Point], hull: &[Point], middle: Point) -> Option<Vec<Point>> {
    /// The part of the gap that stays open.
    const OPEN_SHARE: f64 = 0.3;
    let nearest = points.iter().map(|point| polygon::distance(*point, middle)).fold(f64::INFINITY, f64::min);
    if nearest < RING_RADIUS_MIN {
        return None;
    }
    let angle =
        |point: Point, from: f64| ((point[1] - middle[1]).atan2(point[0] - middle[0]) - from).rem_euclid(TAU);
    let mut angles: Vec<f64> = points.iter().map(|point| angle(*point, 0.0)).collect();
    angles.sort_by(f64::total_cmp);
    let last = *angles.last()?;
    let around = angles.windows(2).map(|pair| (pair[0], pair[1] - pair[0]));
    let gaps = around.chain([(last, angles[0] + TAU - last)]);
    let (gap_from, gap) = gaps.max_by(|one, other| one.1.total_cmp(&other.1))?;
    let opening = gap_from + gap / 2.0;
    let end = gap * OPEN_SHARE / 2.0;

    let mut corners: Vec<f64> = hull.iter().map(|point| angle(*point, opening)).collect();
    corners.retain(|corner| (end..TAU - end).contains(corner));
    corners.extend([end, TAU - end]);
    corners.sort_by(f64::total_cmp);
    let outside = corners.into_iter().filter_map(|corner| from_inside(hull, middle, opening + corner));

    let inner =
        inner_edge(points.iter().map(|point| (angle(*point, opening), polygon::distance(*point, middle))));
    let inside = inner.into_iter().rev().map(|(angle, distance)| {
        let angle = angle.clamp(end, TAU - end);
        polar(middle, distance, opening + angle)
    });
    Some(outside.chain(inside).collect())
}

/// How far the middle stays empty, for each direction with seats: up to the nearest one there or right beside it.
fn inner_edge(seats: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let step = TAU / DIRECTIONS as f64;
    let mut nearest = [f64::INFINITY; DIRECTIONS];
    for (angle, distance) in seats {
        let direction = ((angle / step) as usize).min(DIRECTIONS - 1);
        for near in &mut nearest[direction.saturating_sub(1)..=(direction + 1).min(DIRECTIONS - 1)] {
            *near = near.min(distance - SEAT_REACH);
        }
    }
    let directions = nearest.into_iter().enumerate();
    let mut edge: Vec<(f64, f64)> = directions
        .filter(|(_, distance)| distance.is_finite())
        .map(|(direction, distance)| ((direction as f64 + 0.5) * step, distance))
        .collect();
    // The edge begins and ends right at the opening.
    if let (Some(first), Some(last)) = (edge.first().copied(), edge.last().copied()) {
        edge.insert(0, (0.0, first.1));
        edge.push((TAU, last.1));
    }
    edge
}

/// Where a ray from inside a convex outline leaves it.
fn from_inside(hull: &[Point], middle: Point, angle: f64) -> Option<Point> {
    let (dy, dx) = angle.sin_cos();
    let next = hull.iter().cycle().skip(1);
    let leaves = hull.iter().zip(next).filter_map(|(from, to)| {
        let edge = [to[0] - from[0], to[1] - from[1]];
        let away = [from[0] - middle[0], from[1] - middle[1]];
        let turn = dx * edge[1] - dy * edge[0];
        let distance = (away[0] * edge[1] - away[1] * edge[0]) / turn;
        let share = (away[0] * dy - away[1] * dx) / turn;
        (turn.abs() > 1e-9 && distance > 0.0 && (-1e-9..=1.0 + 1e-9).contains(&share)).then_some(distance)
    });
    leaves.reduce(f64::max).map(|distance| polar(middle, distance, angle))
}
