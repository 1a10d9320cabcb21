//! A block of rows between two places of a track.

use crate::geometry::{Point, SEAT_PITCH};

use super::Track;

/// From the centre of a seat to the outline of its block.
pub(crate) const SEAT_REACH: f64 = 40.0;

/// A block: the part of a track between two places, rows outwards from an offset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) track: &'a Track,
    /// Place where it begins; aisles lie half on each side of it.
    pub(crate) from: f64,
    /// Place where it ends.
    pub(crate) to: f64,
    /// Width of the aisle at each end.
    pub(crate) aisle: f64,
    /// Offset of the first row.
    pub(crate) front: f64,
    /// From row to row.
    pub(crate) row_pitch: f64,
}

impl Block<'_> {
    /// The offset of a row, counted from 0.
    pub(crate) fn offset(&self, row: usize) -> f64 {
        self.front + self.row_pitch * row as f64
    }

    /// How many seats a row has room for.
    pub(crate) fn room(&self, row: usize) -> usize {
        let margin = self.aisle / 2.0 + SEAT_REACH;
        let usable = self.track.length(self.offset(row), self.from, self.to) - 2.0 * margin;
        if usable < 0.0 { 0 } else { (usable / SEAT_PITCH + 1e-6).floor() as usize + 1 }
    }

    /// The centres of `count` seats, in the middle of the block, one seat pitch apart.
    pub(crate) fn seats(&self, row: usize, count: usize) -> Vec<Point> {
        let offset = self.offset(row);
        let length = self.track.length(offset, self.from, self.to);
        let first = (length - SEAT_PITCH * (count.max(1) - 1) as f64) / 2.0;
        (0..count)
            .map(|seat| {
                let place = self.track.along(offset, self.from, first + SEAT_PITCH * seat as f64);
                self.track.point(place, offset)
            })
            .collect()
    }

    /// The outline around `rows` rows, with the aisles left free.
    pub(crate) fn outline(&self, rows: usize) -> Vec<Point> {
        let edge = |offset: f64| {
            let length = self.track.length(offset, self.from, self.to);
            let start = self.track.along(offset, self.from, self.aisle / 2.0);
            let end = self.track.along(offset, self.from, length - self.aisle / 2.0);
            self.track.line(offset, start, end)
        };
        let mut outline = edge(self.offset(0) - SEAT_REACH);
        outline.extend(edge(self.offset(rows.max(1) - 1) + SEAT_REACH).into_iter().rev());
        outline
    }
}
