//! The venues of the seeded sale, drawn by code: the same function always gives the same layout, so its hash can be
//! relied on.

mod arena;
mod club;
mod concert_hall;
mod rows;
mod studio;

pub use arena::arena;
pub use club::club;
pub use concert_hall::concert_hall;
pub use studio::studio;

use crate::geometry::Layout;

/// Names that [`named`] knows.
pub const NAMES: [&str; 4] = ["concert-hall", "arena", "club", "studio"];

/// A generated venue by its name, `None` for an unknown one.
pub fn named(name: &str) -> Option<Layout> {
    match name {
        "concert-hall" => Some(concert_hall()),
        "arena" => Some(arena()),
        "club" => Some(club()),
        "studio" => Some(studio()),
        _ => None,
    }
}

/// Space around everything drawn.
const MARGIN: f64 = 120.0;
/// Coordinates have one decimal.
const STEP: f64 = 0.1;
