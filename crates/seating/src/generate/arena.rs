//! An arena: two tiers of blocks round an oval, a stage at its upper end, people standing on the floor.

use crate::draw::{Block, Drawing, DrawnRow, Piece, Track, rounded_rectangle};
use crate::geometry::{Attribute, Layout, ShapeKind};

use super::rows::{full_row, make_accessible, mark};
use super::{MARGIN, STEP};

const FLOOR: usize = 0;
const PREMIUM: usize = 1;
const FIRST: usize = 2;
const SECOND: usize = 3;
const THIRD: usize = 4;

const CATEGORIES: [(&str, &str); 5] = [
    ("Floor standing", "#d94f70"),
    ("Premium", "#8a4fd3"),
    ("Category 1", "#2f6fde"),
    ("Category 2", "#0f93a5"),
    ("Category 3", "#c98a1b"),
];

const HALF_WIDTH: f64 = 2000.0;
const HALF_STRAIGHT: f64 = 1350.0;
const ROW_PITCH: f64 = 72.0;
const AISLE: f64 = 100.0;

/// A ring or a part of one, in blocks of equal width.
struct Tier {
    /// The number of its first block; the others follow clockwise.
    first_block: usize,
    blocks: usize,
    rows: usize,
    front: f64,
    /// Where it begins and ends on the oval.
    from: f64,
    to: f64,
}

/// Open where the stage is.
const LOWER: Tier = Tier { first_block: 101, blocks: 16, rows: 16, front: 0.0, from: 0.47, to: 5.53 };
/// All round.
const UPPER: Tier = Tier { first_block: 201, blocks: 24, rows: 15, front: 1370.0, from: 0.0, to: 6.0 };
const WALL: f64 = 2560.0;

/// 2,500 people standing and more than 12,000 seats in blocks 101 to 116 and 201 to 224.
pub fn arena() -> Layout {
    let mut drawing = Drawing::new("Riverside Arena", CATEGORIES);
    let oval = oval();
    drawing.shape(ShapeKind::Floor, oval.line(WALL, 0.0, oval.end()), None);
    drawing.shape(ShapeKind::Stage, stage(), Some("Stage"));
    drawing.standing("Floor", 2500, FLOOR, rounded_rectangle([-1560.0, -1560.0], [1560.0, 2560.0], 520.0));
    drawing.shape(
        ShapeKind::Object,
        rounded_rectangle([-260.0, 2680.0], [260.0, 2900.0], 30.0),
        Some("Sound"),
    );
    tier(&mut drawing, &oval, &LOWER);
    tier(&mut drawing, &oval, &UPPER);
    drawing.finish(MARGIN, STEP)
}

/// The edge of the floor: it starts in the middle of the upper end and runs clockwise.
fn oval() -> Track {
    let quarter = std::f64::consts::FRAC_PI_2;
    let (upper, lower) = ([0.0, -HALF_STRAIGHT], [0.0, HALF_STRAIGHT]);
    let arc =
        |center, from: f64| Piece::Arc { center, radius: HALF_WIDTH, from: from * quarter, sweep: quarter };
    let (right, left) = (HALF_WIDTH, -HALF_WIDTH);
    Track::new(vec![
        arc(upper, -1.0),
        Piece::Line { from: [right, -HALF_STRAIGHT], to: [right, HALF_STRAIGHT], outwards: [1.0, 0.0] },
        arc(lower, 0.0),
        arc(lower, 1.0),
        Piece::Line { from: [left, HALF_STRAIGHT], to: [left, -HALF_STRAIGHT], outwards: [-1.0, 0.0] },
        arc(upper, 2.0),
    ])
}

/// A wide stage with wings.
fn stage() -> Vec<[f64; 2]> {
    vec![
        [-980.0, -3250.0],
        [980.0, -3250.0],
        [980.0, -2900.0],
        [1240.0, -2900.0],
        [1240.0, -2330.0],
        [980.0, -2330.0],
        [980.0, -1800.0],
        [-980.0, -1800.0],
        [-980.0, -2330.0],
        [-1240.0, -2330.0],
        [-1240.0, -2900.0],
        [-980.0, -2900.0],
    ]
}

fn tier(drawing: &mut Drawing, oval: &Track, tier: &Tier) {
    // Blocks are equally wide in the middle of the tier.
    let middle = tier.front + ROW_PITCH * tier.rows as f64 / 2.0;
    let length = oval.length(middle, tier.from, tier.to);
    let place = |number: usize| match number {
        0 => tier.from,
        _ => oval.along(middle, tier.from, length * number as f64 / tier.blocks as f64),
    };
    for number in 0..tier.blocks {
        let to = if number + 1 == tier.blocks { tier.to } else { place(number + 1) };
        let block = Block {
            track: oval,
            from: place(number),
            to,
            aisle: AISLE,
            front: tier.front,
            row_pitch: ROW_PITCH,
        };
        let [x, y] = oval.point((block.from + block.to) / 2.0, middle);
        let behind_stage = y < -HALF_STRAIGHT - 2300.0;
        let mut rows: Vec<DrawnRow> = (0..tier.rows)
            .map(|row| {
                let category = category(tier.first_block == LOWER.first_block, behind_stage, x, row);
                full_row(&block, row, (row + 1).to_string(), 1, category)
            })
            .collect();
        if behind_stage {
            rows.iter_mut().for_each(|row| mark(row, Attribute::RestrictedView));
        } else if tier.first_block == LOWER.first_block && number % 3 == 1 {
            // The last row of the lower tier is reached from the gangway without steps.
            make_accessible(&mut rows[tier.rows - 1], 2, false);
        }
        drawing.section(
            &format!("Block {}", tier.first_block + number),
            Some(block.outline(tier.rows)),
            rows,
        );
    }
}

fn category(is_lower: bool, behind_stage: bool, x: f64, row: usize) -> usize {
    // The long sides see the stage from nearer than the far end.
    let at_side = x.abs() > HALF_WIDTH * 0.9;
    match (is_lower, behind_stage, at_side) {
        (_, true, _) => THIRD,
        (true, _, true) if row < 8 => PREMIUM,
        (true, ..) => FIRST,
        (false, _, true) if row < 8 => SECOND,
        (false, _, false) if row < 5 => SECOND,
        (false, ..) => THIRD,
    }
}
