//! One JSON for one layout, and the hash of it.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Category, Layout, Point, Section, Shape, number};

/// Length of [`Layout::hash`].
pub const HASH_CHARACTERS: usize = 32;

/// Everything of a layout but its id, in the same order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    name: &'a str,
    #[serde(serialize_with = "number::point")]
    size: Point,
    sections: &'a [Section],
    categories: &'a [Category],
    #[serde(skip_serializing_if = "<[Shape]>::is_empty")]
    shapes: &'a [Shape],
}

impl Layout {
    /// The bytes served as `/layouts/<hash>.json`: members in the order of the types, no white space, coordinates with
    /// at most one decimal, members without a value left out. The same layout always gives the same bytes.
    pub fn canonical_json(&self) -> Vec<u8> {
        // Strings, numbers, lists and structs cannot fail to become JSON in memory; NaN becomes null.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The first 32 characters of the lower-case hexadecimal SHA-256 of the canonical JSON without the member `id`.
    pub fn hash(&self) -> String {
        let content = Content {
            name: &self.name,
            size: self.size,
            sections: &self.sections,
            categories: &self.categories,
            shapes: &self.shapes,
        };
        let bytes = serde_json::to_vec(&content).unwrap_or_default();
        let mut hash = hex::encode(Sha256::digest(&bytes));
        hash.truncate(HASH_CHARACTERS);
        hash
    }

    /// The same layout with every coordinate rounded to one decimal, as its JSON has it, and its hash as its id.
    pub fn sealed(mut self) -> Self {
        round_point(&mut self.size);
        for section in &mut self.sections {
            round_points(section.polygon.iter_mut().flatten());
            for area in &mut section.areas {
                round_points(area.polygon.iter_mut().flatten());
            }
            for seat in section.rows.iter_mut().flat_map(|row| &mut row.seats) {
                seat.x = number::rounded(seat.x);
                seat.y = number::rounded(seat.y);
            }
        }
        for shape in &mut self.shapes {
            round_points(shape.polygon.iter_mut());
        }
        self.id = self.hash();
        self
    }
}

fn round_point(point: &mut Point) {
    *point = point.map(number::rounded);
}

fn round_points<'a>(points: impl Iterator<Item = &'a mut Point>) {
    points.for_each(round_point);
}
