//! The bowl: a ring of sections around the pitch, straight along its sides and bent round its corners.
//!
//! The two long sides have one stand each. The stands at the ends go round the corners, so each corner belongs to one of
//! them. The ring is made just large enough for the longest rows, and its proportions are those of a real ground.

use std::f64::consts::FRAC_PI_2;

use crate::draw::{Block, Piece, SEAT_REACH, Track};
use crate::geometry::{Point, SEAT_PITCH};

use super::stand::{SectionPlan, Side, StandPlan};

const ROW_PITCH: f64 = 75.0;
const AISLE_MIN: f64 = 90.0;
const AISLE_MAX: f64 = 900.0;
/// Sections behind others begin this many rows later.
const ROWS_BETWEEN: usize = 2;
/// The front of the bowl should be this much longer than wide.
const PROPORTION: f64 = 1.45;
/// A ground has at least this much straight side, in units.
const STRAIGHT_MIN: f64 = 3_000.0;
/// The straight part of an end.
const WIDTH_MIN: f64 = 1_500.0;
const STRAIGHT_MAX: f64 = 2_000_000.0;

/// The ring and everything on it.
#[derive(Debug)]
pub(super) struct Bowl {
    pub(super) track: Track,
    /// Length of the long straight sides.
    pub(super) length: f64,
    /// Length of the short straight sides.
    pub(super) width: f64,
    /// Radius of the corners at the front row.
    pub(super) radius: f64,
    pub(super) stands: Vec<(String, Side)>,
    sections: Vec<Placed>,
}

/// A section with its place on the ring.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) plan: SectionPlan,
    /// How many rows lie before each of its rows.
    pub(super) depths: Vec<usize>,
    from: f64,
    to: f64,
    aisle: f64,
    is_behind: bool,
}

/// A free place behind others.
struct Free {
    depth: usize,
    from: f64,
    to: f64,
    /// How many sections are in front of it.
    crossed: usize,
}

/// The pieces of the ring that a side has: the ends have their corners.
fn places(side: Side) -> (f64, f64) {
    match side {
        Side::Top => (0.0, 1.0),
        Side::Right => (1.0, 4.0),
        Side::Bottom => (4.0, 5.0),
        Side::Left => (5.0, 8.0),
    }
}

/// A ring clockwise from the left end of the upper side.
fn ring(length: f64, width: f64, radius: f64) -> Track {
    let (x, y) = (length / 2.0, width / 2.0);
    let line = |from: Point, to: Point, outwards: Point| Piece::Line { from, to, outwards };
    let corner = |center: Point, quarter: f64| Piece::Arc {
        center,
        radius,
        from: quarter * FRAC_PI_2,
        sweep: FRAC_PI_2,
    };
    Track::new(vec![
        line([-x, -y - radius], [x, -y - radius], [0.0, -1.0]),
        corner([x, -y], -1.0),
        line([x + radius, -y], [x + radius, y], [1.0, 0.0]),
        corner([x, y], 0.0),
        line([x, y + radius], [-x, y + radius], [0.0, 1.0]),
        corner([-x, y], 1.0),
        line([-x - radius, y], [-x - radius, -y], [-1.0, 0.0]),
        corner([-x, -y], 2.0),
    ])
}

/// The length that so many seats and half an aisle on each side take.
fn needed(seats: usize, aisle: f64) -> f64 {
    SEAT_PITCH * (seats - 1) as f64 + aisle + 2.0 * SEAT_REACH
}

/// A section and the depths of its rows.
type Deep = (SectionPlan, Vec<usize>);

/// Where the sections of a side end when each is just long enough for its longest row; the last end may be too far.
fn ends(track: &Track, start: f64, sections: &[Deep], aisle: f64) -> Vec<f64> {
    let mut from = start;
    sections
        .iter()
        .map(|(section, depths)| {
            let row_end = |(row, depth): (&super::RowPlan, &usize)| {
                track.along(*depth as f64 * ROW_PITCH, from, needed(row.seats, aisle))
            };
            from = section.rows.iter().zip(depths).map(row_end).fold(from, f64::max);
            from
        })
        .collect()
}

/// The smallest value between two for which the question is answered with yes; yes must stay yes above it.
fn smallest(low: f64, high: f64, is_enough: impl Fn(f64) -> bool) -> f64 {
    const STEPS: usize = 40;
    if is_enough(low) {
        return low;
    }
    let (mut low, mut high) = (low, high);
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        if is_enough(middle) { high = middle } else { low = middle }
    }
    high
}

impl Bowl {
    /// A bowl for stands on different sides.
    pub(super) fn around(stands: Vec<StandPlan>) -> Self {
        let mut names = Vec::new();
        let mut sides = Vec::new();
        for stand in stands {
            let first_number = stand.first_number();
            let deep = |section: SectionPlan| {
                let depths = section.depths(first_number);
                (section, depths)
            };
            let beside: Vec<Deep> = stand.beside.into_iter().map(deep).collect();
            names.push((stand.name, stand.side));
            sides.push((stand.side, beside, stand.behind, first_number));
        }
        let fits = |length: f64, width: f64, radius: f64, is_end: bool| {
            let track = ring(length, width, radius);
            sides.iter().filter(|(side, ..)| is_end == matches!(side, Side::Left | Side::Right)).all(
                |(side, beside, ..)| {
                    let (from, to) = places(*side);
                    ends(&track, from, beside, AISLE_MIN).last().is_none_or(|end| *end <= to)
                },
            )
        };
        let length =
            smallest(STRAIGHT_MIN, STRAIGHT_MAX, |length| fits(length, STRAIGHT_MIN, 1_000.0, false));
        // Wide corners make a round ground, narrow ones a square one: take what comes nearest to the proportion, but no
        // corners so wide that the ends have room left.
        let mut is_enough = false;
        let candidates = (4..=400).map_while(|step| {
            let radius = 250.0 * f64::from(step);
            let width = smallest(WIDTH_MIN, STRAIGHT_MAX, |width| fits(length, width, radius, true));
            let is_first_enough = !is_enough;
            is_enough = width <= WIDTH_MIN;
            is_first_enough.then_some((radius, width))
        });
        let misfit = |(radius, width): &(f64, f64)| {
            ((length + 2.0 * radius) / (width + 2.0 * radius) / PROPORTION).ln().abs()
        };
        let (radius, width) = candidates
            .min_by(|one, other| misfit(one).total_cmp(&misfit(other)))
            .unwrap_or((2_000.0, WIDTH_MIN));
        let track = ring(length, width, radius);
        let mut bowl = Self { track, length, width, radius, stands: names, sections: Vec::new() };
        for (side, beside, behind, first_number) in sides {
            let first = bowl.sections.len();
            bowl.place_beside(side, beside);
            let deep = |section: SectionPlan| {
                let depths = section.depths(first_number);
                (section, depths)
            };
            let mut behind: Vec<Deep> = behind.into_iter().map(deep).collect();
            // Row numbers that say a depth come first: the others may lie anywhere.
            behind.sort_by_key(|(_, depths)| std::cmp::Reverse(depths[0]));
            for (section, depths) in behind {
                bowl.place_behind(side, first, section, depths);
            }
        }
        bowl.sections.sort_by_key(|placed| placed.plan.order);
        bowl
    }

    pub(super) fn sections(&self) -> &[Placed] {
        &self.sections
    }

    /// Side by side; room that is left goes into the aisles.
    fn place_beside(&mut self, side: Side, beside: Vec<Deep>) {
        let (start, limit) = places(side);
        let is_full =
            |aisle: f64| ends(&self.track, start, &beside, aisle).last().is_none_or(|end| *end > limit);
        // The smallest aisle that is too wide, a little less.
        let aisle = (smallest(AISLE_MIN, AISLE_MAX, is_full) - 0.01).max(AISLE_MIN);
        let ends = ends(&self.track, start, &beside, aisle);
        let mut from = start;
        for ((plan, depths), to) in beside.into_iter().zip(ends) {
            self.sections.push(Placed { plan, depths, from, to, aisle, is_behind: false });
            from = to;
        }
    }

    /// Behind one of the stand's sections, in the middle of it, as near to the depth that its row numbers say as there is
    /// room; behind the whole stand when it is too wide.
    fn place_behind(&mut self, side: Side, first: usize, plan: SectionPlan, mut depths: Vec<usize>) {
        let own_start = depths[0];
        let seats = plan.rows.iter().map(|row| row.seats).max().unwrap_or(1);
        let (start, limit) = places(side);
        let stand = &self.sections[first..];
        let middles =
            stand.iter().filter(|placed| !placed.is_behind).map(|placed| (placed.from + placed.to) / 2.0);
        let best = middles
            .filter_map(|middle| self.free_behind(&self.sections[first..], middle, seats, places(side)))
            // A place behind one section only is better than one behind parts of several.
            .min_by_key(|free| free.depth.abs_diff(own_start) + free.crossed);
        let deepest = stand.iter().map(|placed| placed.last_depth() + ROWS_BETWEEN).max().unwrap_or(0);
        let Free { depth, from, to, .. } =
            best.unwrap_or(Free { depth: deepest, from: start, to: limit, crossed: 0 });
        for row_depth in &mut depths {
            *row_depth = *row_depth - own_start + depth;
        }
        self.sections.push(Placed { plan, depths, from, to, aisle: AISLE_MIN, is_behind: true });
    }

    /// The first free place around a middle for a block of so many seats a row.
    fn free_behind(
        &self,
        stand: &[Placed],
        middle: f64,
        seats: usize,
        (start, limit): (f64, f64),
    ) -> Option<Free> {
        // How far along the track the block reaches depends on its depth, and its depth on what it reaches.
        let mut depth = 0;
        loop {
            let offset = depth as f64 * ROW_PITCH;
            let before = self.track.length(offset, start, middle) - needed(seats, AISLE_MIN) / 2.0;
            let from = self.track.along(offset, start, before.max(0.0));
            let to = self.track.along(offset, from, needed(seats, AISLE_MIN));
            if before < 0.0 || to > limit {
                return None;
            }
            let crossed = || stand.iter().filter(|placed| placed.from < to - 1e-9 && from < placed.to - 1e-9);
            let free = crossed().map(|placed| placed.last_depth() + ROWS_BETWEEN).max().unwrap_or(0);
            if free <= depth {
                return Some(Free { depth, from, to, crossed: crossed().count() });
            }
            depth = free;
        }
    }

    /// The block of a section; its rows are numbered by their depth.
    pub(super) fn block(&self, placed: &Placed) -> Block<'_> {
        Block {
            track: &self.track,
            from: placed.from,
            to: placed.to,
            aisle: placed.aisle,
            front: 0.0,
            row_pitch: ROW_PITCH,
        }
    }

    pub(super) fn outline(&self, placed: &Placed) -> Vec<Point> {
        let first = placed.depths[0];
        let front = first as f64 * ROW_PITCH;
        Block { front, ..self.block(placed) }.outline(placed.last_depth() - first + 1)
    }

    /// The depth behind the last row of everything.
    pub(super) fn depth(&self) -> f64 {
        let last = self.sections.iter().map(Placed::last_depth).max().unwrap_or(0);
        last as f64 * ROW_PITCH + SEAT_REACH
    }

    /// Lounges are dearest, then the middle of the long sides, their ends, the corners, behind the goals; far up costs a
    /// level less.
    pub(super) fn category(&self, placed: &Placed, depth: usize) -> usize {
        const FAR_UP_ROWS: usize = 22;
        if placed.is_behind {
            return 0;
        }
        let middle = (placed.from + placed.to) / 2.0;
        let share = middle.fract();
        let near = match middle.floor() as usize % 4 {
            0 if (share - 0.5).abs() < 0.28 => 1,
            0 => 2,
            2 => 4,
            _ => 3,
        };
        near + usize::from(depth >= FAR_UP_ROWS)
    }
}

impl Placed {
    fn last_depth(&self) -> usize {
        self.depths.last().copied().unwrap_or(0)
    }
}
