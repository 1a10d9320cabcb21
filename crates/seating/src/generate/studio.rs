//! A black box with seats on three sides of an open stage.

use crate::draw::{Block, Drawing, DrawnRow, Piece, Track, rounded_rectangle};
use crate::geometry::{Layout, Point, ShapeKind};

use super::rows::{full_row, make_accessible, row_letter};
use super::{MARGIN, STEP};

const ROW_PITCH: f64 = 72.0;
/// From the edge of the stage to the first row.
const FRONT: f64 = 120.0;
/// Width and depth of the stage, whose back wall is at the top.
const STAGE: Point = [620.0, 520.0];

/// 120 seats around an open stage, one price.
pub fn studio() -> Layout {
    let mut drawing = Drawing::new("Studio Theatre", [("Standard", "#0f93a5")]);
    let [width, depth] = STAGE;
    let straight = |from, to, outwards| Track::new(vec![Piece::Line { from, to, outwards }]);
    let left = straight([0.0, 20.0], [0.0, depth - 20.0], [-1.0, 0.0]);
    let front = straight([20.0, depth], [width - 20.0, depth], [0.0, 1.0]);
    let right = straight([width, depth - 20.0], [width, 20.0], [1.0, 0.0]);

    let wall = FRONT + 3.0 * ROW_PITCH + 60.0;
    let back = depth + FRONT + 6.0 * ROW_PITCH + 110.0;
    drawing.shape(ShapeKind::Floor, rounded_rectangle([-wall, -90.0], [width + wall, back], 24.0), None);
    drawing.shape(ShapeKind::Stage, rounded_rectangle([0.0, 0.0], STAGE, 12.0), Some("Stage"));

    for (name, track, row_count) in [("Left", &left, 3), ("Front", &front, 6), ("Right", &right, 3)] {
        let block = Block { track, from: 0.0, to: 1.0, aisle: 0.0, front: FRONT, row_pitch: ROW_PITCH };
        let mut rows: Vec<DrawnRow> =
            (0..row_count).map(|row| full_row(&block, row, row_letter(row), 1, 0)).collect();
        if name == "Front" {
            make_accessible(&mut rows[0], 1, false);
            make_accessible(&mut rows[0], 1, true);
        }
        drawing.section(name, Some(block.outline(row_count)), rows);
    }
    drawing.text([-wall / 2.0, back - 90.0], [400.0, 60.0], "Entrance");
    drawing.finish(MARGIN, STEP)
}
