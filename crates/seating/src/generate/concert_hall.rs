//! A concert hall in the form of a horseshoe: stalls in a fan, boxes along their sides, two balconies around them.

use std::f64::consts::FRAC_PI_2;

use crate::draw::{Block, Drawing, DrawnRow, Piece, Track, arc, polar};
use crate::geometry::{Attribute, Layout, Point, ShapeKind};

use super::rows::{full_row, make_accessible, mark, row_letter};
use super::{MARGIN, STEP};

const PREMIUM: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;
const THIRD: usize = 3;
const FOURTH: usize = 4;

const CATEGORIES: [(&str, &str); 5] = [
    ("Premium", "#8a4fd3"),
    ("Category 1", "#2f6fde"),
    ("Category 2", "#0f93a5"),
    ("Category 3", "#4c9a3f"),
    ("Category 4", "#c98a1b"),
];

/// All rows bend around a point far behind the stage, and both sides of the fan point to it.
const FOCUS: Point = [0.0, -3400.0];
const STALLS_RADIUS: f64 = 4300.0;
const STALLS_ROWS: usize = 20;
const HALF_ANGLE: f64 = 0.262;
const ROW_PITCH: f64 = 75.0;
const AISLE: f64 = 110.0;

/// The boxes begin this far beside the stalls.
const BOXES_BESIDE: f64 = 110.0;
/// Offsets from the line of the boxes.
const FIRST_BALCONY_FRONT: f64 = 310.0;
const SECOND_BALCONY_FRONT: f64 = 960.0;
const WALL: f64 = 1420.0;

/// About 2,000 seats: stalls left, centre and right, ten boxes and two balconies in a horseshoe.
pub fn concert_hall() -> Layout {
    let mut drawing = Drawing::new("Concert Hall", CATEGORIES);
    let horseshoe = horseshoe();
    house(&mut drawing, &horseshoe);
    stalls(&mut drawing);
    boxes(&mut drawing, &horseshoe);
    first_balcony(&mut drawing, &horseshoe);
    second_balcony(&mut drawing, &horseshoe);
    drawing.finish(MARGIN, STEP)
}

/// The line of the boxes and balconies in five pieces: the left side from the stage outwards, a round corner, the back,
/// a corner, the right side.
fn horseshoe() -> Track {
    const CORNER_RADIUS: f64 = 260.0;
    // The back is an arc around FOCUS such that the first balcony begins 200 behind the last row of the stalls.
    let back_radius = STALLS_RADIUS + ROW_PITCH * STALLS_ROWS as f64 + 200.0 - FIRST_BALCONY_FRONT;
    // A corner's circle touches the back from inside and the side line, which runs BOXES_BESIDE from the fan's edge.
    let reach = back_radius - CORNER_RADIUS;
    let back_half_angle = HALF_ANGLE + ((BOXES_BESIDE - CORNER_RADIUS) / reach).asin();
    let corner = |side: f64| polar(FOCUS, reach, FRAC_PI_2 + side * back_half_angle);
    // On the left (side 1) outwards is to the left and a little up.
    let outwards = |side: f64| polar([0.0, 0.0], 1.0, FRAC_PI_2 + side * (HALF_ANGLE + FRAC_PI_2));
    let side_end = |side: f64| {
        let (center, away) = (corner(side), outwards(side));
        [center[0] + away[0] * CORNER_RADIUS, center[1] + away[1] * CORNER_RADIUS]
    };
    let side_start = |side: f64| {
        let foot = polar(FOCUS, STALLS_RADIUS - 60.0, FRAC_PI_2 + side * HALF_ANGLE);
        let away = outwards(side);
        [foot[0] + away[0] * BOXES_BESIDE, foot[1] + away[1] * BOXES_BESIDE]
    };
    let sweep = HALF_ANGLE + FRAC_PI_2 - back_half_angle;
    Track::new(vec![
        Piece::Line { from: side_start(1.0), to: side_end(1.0), outwards: outwards(1.0) },
        Piece::Arc {
            center: corner(1.0),
            radius: CORNER_RADIUS,
            from: FRAC_PI_2 + HALF_ANGLE + FRAC_PI_2,
            sweep: -sweep,
        },
        Piece::Arc {
            center: FOCUS,
            radius: back_radius,
            from: FRAC_PI_2 + back_half_angle,
            sweep: -2.0 * back_half_angle,
        },
        Piece::Arc {
            center: corner(-1.0),
            radius: CORNER_RADIUS,
            from: FRAC_PI_2 - back_half_angle,
            sweep: -sweep,
        },
        Piece::Line { from: side_end(-1.0), to: side_start(-1.0), outwards: outwards(-1.0) },
    ])
}

/// The walls and the stage.
fn house(drawing: &mut Drawing, horseshoe: &Track) {
    let mut walls = horseshoe.line(WALL, 0.55, horseshoe.end() - 0.55);
    walls.extend([[1560.0, 60.0], [1160.0, -60.0], [-1160.0, -60.0], [-1560.0, 60.0]]);
    drawing.shape(ShapeKind::Floor, walls, None);
    let edge =
        |radius: f64, half_angle: f64| arc(FOCUS, radius, FRAC_PI_2 + half_angle, -2.0 * half_angle, 24);
    let mut stage = edge(STALLS_RADIUS - 190.0, 0.25);
    stage.extend([[820.0, 60.0], [-820.0, 60.0]]);
    drawing.shape(ShapeKind::Stage, stage, Some("Stage"));
}

fn stalls(drawing: &mut Drawing) {
    let track = Track::fan(FOCUS, STALLS_RADIUS, FRAC_PI_2 + HALF_ANGLE, -2.0 * HALF_ANGLE);
    let parts = [("Stalls left", 0.0, 0.28), ("Stalls centre", 0.28, 0.72), ("Stalls right", 0.72, 1.0)];
    // Seat numbers run on from the left to the right across the aisles.
    let mut next_numbers = [1; STALLS_ROWS];
    for (part, (name, from, to)) in parts.into_iter().enumerate() {
        let block = Block { track: &track, from, to, aisle: AISLE, front: 0.0, row_pitch: ROW_PITCH };
        let mut rows: Vec<DrawnRow> = Vec::with_capacity(STALLS_ROWS);
        for (row, next_number) in next_numbers.iter_mut().enumerate() {
            let category = match (row, part) {
                (2..=11, 1) => PREMIUM,
                (0..=15, 1) | (2..=11, _) => FIRST,
                _ => SECOND,
            };
            let drawn = full_row(&block, row, row_letter(row), *next_number, category);
            *next_number += drawn.seats.len();
            rows.push(drawn);
        }
        match part {
            0 => make_accessible(&mut rows[STALLS_ROWS - 1], 3, false),
            2 => make_accessible(&mut rows[STALLS_ROWS - 1], 3, true),
            _ => {}
        }
        drawing.section(name, Some(block.outline(STALLS_ROWS)), rows);
    }
}

/// Box 1 is at the stage on the left, box 5 at the back; box 6 at the back on the right, box 10 at the stage.
fn boxes(drawing: &mut Drawing, horseshoe: &Track) {
    const PER_SIDE: usize = 5;
    for number in 0..2 * PER_SIDE {
        let piece = if number < PER_SIDE { 0.0 } else { horseshoe.end() - 1.0 };
        let share = (number % PER_SIDE) as f64;
        let block = Block {
            track: horseshoe,
            from: piece + share / PER_SIDE as f64,
            to: piece + (share + 1.0) / PER_SIDE as f64,
            aisle: 24.0,
            front: 0.0,
            row_pitch: 64.0,
        };
        let at_stage = number.min(2 * PER_SIDE - 1 - number) < 1;
        let rows = (0..2).map(|row| {
            let category = if at_stage { THIRD } else { FIRST };
            let mut drawn = full_row(&block, row, row_letter(row), 1, category);
            if at_stage && row == 1 {
                mark(&mut drawn, Attribute::RestrictedView);
            }
            drawn
        });
        drawing.section(&format!("Box {}", number + 1), Some(block.outline(2)), rows.collect());
    }
}

/// Three rows along the sides and round the corners, six at the back.
fn first_balcony(drawing: &mut Drawing, horseshoe: &Track) {
    let parts = [("left", 0.12, 2.0, 3), ("centre", 2.0, 3.0, 6), ("right", 3.0, horseshoe.end() - 0.12, 3)];
    for (name, from, to, row_count) in parts {
        let block = Block {
            track: horseshoe,
            from,
            to,
            aisle: AISLE,
            front: FIRST_BALCONY_FRONT,
            row_pitch: ROW_PITCH,
        };
        let rows = (0..row_count).map(|row| {
            let category = match (row_count, row) {
                (6, 0..=2) => FIRST,
                (_, 2) => THIRD,
                _ => SECOND,
            };
            full_row(&block, row, row_letter(row), 1, category)
        });
        drawing.section(&format!("Balcony 1 {name}"), Some(block.outline(row_count)), rows.collect());
    }
}

/// Five rows at the back and four round the corners; the corners and the last rows are cheapest.
fn second_balcony(drawing: &mut Drawing, horseshoe: &Track) {
    let parts = [("left", 1.12, 2.0, 4), ("centre", 2.0, 3.0, 5), ("right", 3.0, 3.88, 4)];
    for (name, from, to, row_count) in parts {
        let block = Block {
            track: horseshoe,
            from,
            to,
            aisle: AISLE,
            front: SECOND_BALCONY_FRONT,
            row_pitch: ROW_PITCH,
        };
        let rows = (0..row_count).map(|row| {
            let category = if row_count == 5 && row < 3 { THIRD } else { FOURTH };
            full_row(&block, row, row_letter(row), 1, category)
        });
        drawing.section(&format!("Balcony 2 {name}"), Some(block.outline(row_count)), rows.collect());
    }
}
