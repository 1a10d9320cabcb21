//! The football pitch in the middle of a bowl, with its lines and the names of the stands around it.

use std::f64::consts::{PI, TAU};

use crate::draw::{Drawing, arc, rectangle};
use crate::geometry::{Point, ShapeKind};

use super::bowl::Bowl;
use super::stand::Side;

/// Metres of a pitch and its marks.
const LENGTH: f64 = 105.0;
const WIDTH: f64 = 68.0;
const CIRCLE: f64 = 9.15;
const SPOT: f64 = 11.0;
const AREAS: [Point; 2] = [[16.5, 40.32], [5.5, 18.32]];

/// Between the pitch and the first row there is room for the names of the stands.
const BORDER: f64 = 1_150.0;
/// Ground outside of the last row.
const WALL: f64 = 260.0;

/// Ground, pitch, marks and names. The pitch is as large as the bowl leaves room for, in its true proportions.
pub(super) fn draw(drawing: &mut Drawing, bowl: &Bowl) {
    let wall = bowl.track.line(bowl.depth() + WALL, 0.0, bowl.track.end());
    drawing.shape(ShapeKind::Floor, wall, None);
    let inner = [bowl.length + 2.0 * bowl.radius, bowl.width + 2.0 * bowl.radius];
    let unit = ((inner[0] - 2.0 * BORDER) / LENGTH).min((inner[1] - 2.0 * BORDER) / WIDTH);
    let at = |x: f64, y: f64| [x * unit, y * unit];
    let field = rectangle(at(-LENGTH / 2.0, -WIDTH / 2.0), at(LENGTH / 2.0, WIDTH / 2.0));
    drawing.shape(ShapeKind::Pitch, field.clone(), None);
    line(drawing, closed(field));
    line(drawing, vec![at(0.0, -WIDTH / 2.0), at(0.0, WIDTH / 2.0)]);
    line(drawing, arc([0.0, 0.0], CIRCLE * unit, 0.0, TAU, 48));
    for side in [-1.0, 1.0] {
        let goal = side * LENGTH / 2.0;
        for [depth, width] in AREAS {
            let inside = goal - side * depth;
            let half = width / 2.0;
            line(drawing, vec![at(goal, -half), at(inside, -half), at(inside, half), at(goal, half)]);
        }
        // The part of the circle around the penalty spot that lies outside of the penalty area.
        let half_angle = ((AREAS[0][0] - SPOT) / CIRCLE).acos();
        let towards_middle = if side > 0.0 { PI } else { 0.0 };
        let spot = at(goal - side * SPOT, 0.0);
        line(drawing, arc(spot, CIRCLE * unit, towards_middle - half_angle, 2.0 * half_angle, 16));
    }
    for (name, side) in &bowl.stands {
        let beside = BORDER / 2.0;
        let (x, y) = (inner[0] / 2.0 - beside, inner[1] / 2.0 - beside);
        let middle = match side {
            Side::Top => [0.0, -y],
            Side::Right => [x, 0.0],
            Side::Bottom => [0.0, y],
            Side::Left => [-x, 0.0],
        };
        drawing.text(middle, [BORDER, BORDER / 2.0], &title(name));
    }
}

fn line(drawing: &mut Drawing, points: Vec<Point>) {
    drawing.shape(ShapeKind::Line, points, None);
}

fn closed(mut points: Vec<Point>) -> Vec<Point> {
    points.extend(points.first().copied());
    points
}

/// A name with a capital letter: "West".
fn title(name: &str) -> String {
    let mut rest = name.trim().chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => "Stand".to_owned(),
    }
}
