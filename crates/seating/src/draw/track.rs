//! A track is the line of the first row: straight pieces and arcs, joined smoothly. A row at offset `d` runs parallel to
//! it, `d` units farther out, so blocks that share limits on the track never overlap.
//!
//! A place on a track is a number: its whole part is the number of the piece, its fraction the share of that piece. On a
//! closed track it may run past the last piece and goes on at the first.

use crate::geometry::Point;

use super::polar;

/// A piece of a track.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece {
    /// A straight line and the direction away from the stage, of length 1.
    Line { from: Point, to: Point, outwards: Point },
    /// A part of a circle, outwards away from its centre; angles in radians, clockwise from the right.
    Arc { center: Point, radius: f64, from: f64, sweep: f64 },
}

/// Joined pieces.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pieces: Vec<Piece>,
}

impl Piece {
    fn length(&self, offset: f64) -> f64 {
        match *self {
            Self::Line { from, to, .. } => (to[0] - from[0]).hypot(to[1] - from[1]),
            Self::Arc { radius, sweep, .. } => sweep.abs() * (radius + offset).max(0.0),
        }
    }

    fn point(&self, share: f64, offset: f64) -> Point {
        match *self {
            Self::Line { from, to, outwards } => [
                from[0] + (to[0] - from[0]) * share + outwards[0] * offset,
                from[1] + (to[1] - from[1]) * share + outwards[1] * offset,
            ],
            Self::Arc { center, radius, from, sweep } => polar(center, radius + offset, from + sweep * share),
        }
    }
}

impl Track {
    pub(crate) fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    /// One arc: the rows of a fan.
    pub(crate) fn fan(center: Point, radius: f64, from: f64, sweep: f64) -> Self {
        Self::new(vec![Piece::Arc { center, radius, from, sweep }])
    }

    /// The number of pieces, which is also the place of the end.
    pub(crate) fn end(&self) -> f64 {
        self.pieces.len() as f64
    }

    /// The piece at a place and how far along it the place is. The very end of an open track is the end of its last
    /// piece, not the start of its first.
    fn piece(&self, place: f64) -> (&Piece, f64) {
        if place == self.end() {
            return (&self.pieces[self.pieces.len() - 1], 1.0);
        }
        (&self.pieces[place.floor() as usize % self.pieces.len()], place - place.floor())
    }

    /// The point at a place, `offset` units outwards.
    pub(crate) fn point(&self, place: f64, offset: f64) -> Point {
        let (piece, share) = self.piece(place);
        piece.point(share, offset)
    }

    /// The length of the parallel at `offset` between two places.
    pub(crate) fn length(&self, offset: f64, from: f64, to: f64) -> f64 {
        let mut length = 0.0;
        let mut place = from;
        while place < to {
            let next = (place.floor() + 1.0).min(to);
            length += (next - place) * self.piece(place.floor()).0.length(offset);
            place = next;
        }
        length
    }

    /// The place reached by going `distance` along the parallel at `offset`; at most once round.
    pub(crate) fn along(&self, offset: f64, from: f64, distance: f64) -> f64 {
        let mut place = from;
        let mut left = distance;
        while place < from + self.end() {
            let next = place.floor() + 1.0;
            let length = self.piece(place.floor()).0.length(offset);
            if length > 0.0 && left <= (next - place) * length {
                return place + left / length;
            }
            left -= (next - place) * length;
            place = next;
        }
        place
    }

    /// Points of the parallel at `offset` from one place to another, close enough to look round.
    pub(crate) fn line(&self, offset: f64, from: f64, to: f64) -> Vec<Point> {
        const RADIANS_PER_STEP: f64 = 0.07;
        let mut points = vec![self.point(from, offset)];
        let mut place = from;
        while place < to {
            let next = (place.floor() + 1.0).min(to);
            let (piece, _) = self.piece(place.floor());
            let steps = match piece {
                Piece::Line { .. } => 1.0,
                Piece::Arc { sweep, .. } => (sweep.abs() * (next - place) / RADIANS_PER_STEP).ceil().max(1.0),
            };
            for step in 1..=steps as usize {
                let share = place - place.floor() + (next - place) * step as f64 / steps;
                points.push(piece.point(share, offset));
            }
            place = next;
        }
        points
    }
}
