//! What a layout may not exceed. The limits keep one layout from filling a service's memory or a browser.

/// Seats of one layout.
pub const SEATS_MAX: usize = 200_000;
/// Sections of one layout.
pub const SECTIONS_MAX: usize = 2_000;
/// Rows of one layout; the index keeps a row in 16 bits.
pub const ROWS_MAX: usize = 65_535;
/// Seats of one row: one row is one string in a section's live model.
pub const SEATS_PER_ROW_MAX: usize = 500;
/// Seats plus standing places of one layout.
pub const UNITS_MAX: u64 = 1_000_000;
/// Areas of one layout.
pub const AREAS_MAX: usize = 2_000;
/// Price categories of one layout.
pub const CATEGORIES_MAX: usize = 200;
/// Drawn shapes of one layout.
pub const SHAPES_MAX: usize = 2_000;
/// Points of one polygon.
pub const POLYGON_POINTS_MAX: usize = 2_000;
/// Width and height of a layout, in units (10 km).
pub const SIZE_MAX: f64 = 1_000_000.0;
/// Characters of an id.
pub const ID_CHARACTERS_MAX: usize = 64;
/// Characters of a name or a label.
pub const LABEL_CHARACTERS_MAX: usize = 200;
/// Section ids that a live model uses for something else (`tickets.event.$event.availability` has `free` and `total`
/// beside one property per section).
pub const RESERVED_SECTION_IDS: [&str; 3] = ["free", "total", "seq"];
