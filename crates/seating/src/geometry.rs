//! The types of `/layouts/<hash>.json`.
//!
//! **Unit.** One unit is about one centimetre: seats beside each other are about 50 apart, rows about 90. `x` grows to
//! the right and `y` downwards, as on a screen; everything lies inside `[0, 0]` to `size`. Coordinates are kept and
//! written with one decimal at most, so that the JSON of 39,417 seats stays under 3 MB.
//!
//! **Ids** match `[a-z0-9-]{1,64}`: they are parts of RES resource names (`tickets.event.$event.section.<section id>`)
//! and of property names (`row:<row id>`). **Labels and names** are free text for people and are never looked up.

mod canonical;
pub(crate) mod limits;
pub(crate) mod number;
pub(crate) mod polygon;
mod validate;

use serde::{Deserialize, Serialize};

pub use canonical::HASH_CHARACTERS;
pub use limits::*;
pub use polygon::contains;

/// `[x, y]` in layout units.
pub type Point = [f64; 2];

/// Seats beside each other in a generated or imported layout are about this far apart, in units.
pub const SEAT_PITCH: f64 = 50.0;

/// A room as it is drawn and sold: an immutable version with a content hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layout {
    /// The content hash, see [`Layout::hash`]; empty in a hand-written file.
    #[serde(default)]
    pub id: String,
    /// What people call the room.
    pub name: String,
    /// Width and height in units.
    #[serde(serialize_with = "number::point")]
    pub size: Point,
    /// In the order in which they are listed to people who do not use the map.
    pub sections: Vec<Section>,
    /// Price levels; the price itself belongs to an event.
    pub categories: Vec<Category>,
    /// What is drawn but not sold, from back to front: stage, pitch, walls, words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<Shape>,
}

/// A part of the room with its own live model: seats in rows, standing areas, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Section {
    /// Unique in the layout, and different from every area id.
    pub id: String,
    /// As people say it: "Stalls left", "Box 7", "Block 112".
    pub name: String,
    /// Outline, closed by itself; it contains the seats of this section and of no other.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "number::optional_points")]
    pub polygon: Option<Vec<Point>>,
    /// From the stage outwards; empty where people stand.
    #[serde(default)]
    pub rows: Vec<Row>,
    /// Standing areas; usually empty.
    #[serde(default)]
    pub areas: Vec<Area>,
}

/// Seats side by side, in the order of the characters of `row:<id>` in the section's live model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// Unique in the layout.
    pub id: String,
    /// As printed on a ticket: "A", "12".
    pub label: String,
    /// In the order in which people sit; two seats far apart are not neighbours, see [`SeatIndex::is_beside_next`].
    ///
    /// [`SeatIndex::is_beside_next`]: crate::SeatIndex::is_beside_next
    pub seats: Vec<Seat>,
}

/// One seat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seat {
    /// Unique in the layout, stable for the same labels.
    pub id: String,
    /// As printed on a ticket: "14".
    pub label: String,
    /// Centre of the seat.
    #[serde(serialize_with = "number::coordinate")]
    pub x: f64,
    /// Centre of the seat.
    #[serde(serialize_with = "number::coordinate")]
    pub y: f64,
    /// Id of a category.
    pub category: String,
    /// What a buyer should know before choosing it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// What is special about a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attribute {
    /// A place for a wheelchair or one reached without steps.
    Accessible,
    /// Next to an accessible place, for the person who comes along.
    Companion,
    /// Part of the stage cannot be seen from here.
    RestrictedView,
    /// Beside an aisle.
    Aisle,
}

/// General admission: a number of places without seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Area {
    /// Unique in the layout, and different from every section id.
    pub id: String,
    /// As people say it.
    pub name: String,
    /// How many people may be in it, at least 1.
    pub capacity: u32,
    /// Outline, closed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "number::optional_points")]
    pub polygon: Option<Vec<Point>>,
    /// Id of a category.
    pub category: String,
}

/// A price level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Category {
    /// Unique among the categories; the key of an event's prices.
    pub id: String,
    /// As people say it: "Premium".
    pub name: String,
    /// `#rrggbb`.
    pub color: String,
}

/// Something drawn and not sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    /// Decides how it is drawn.
    pub kind: ShapeKind,
    /// Outline, closed by itself unless the kind is a line. For a text it is the box in whose middle the label stands.
    #[serde(serialize_with = "number::points")]
    pub polygon: Vec<Point>,
    /// Words in the middle of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `#rrggbb`, only where the plan gives one; else the theme decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

/// How a shape is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShapeKind {
    /// Where the artists are: filled, the thing everybody looks at.
    Stage,
    /// A playing field: filled.
    Pitch,
    /// Ground under seats or people, or the outline of the building: a faint fill.
    Floor,
    /// A bar, a mixing desk, a pillar: a muted fill with its label.
    Object,
    /// An open line, never filled.
    Line,
    /// Only its label.
    Text,
}

impl Layout {
    /// How many seats there are, standing places not counted.
    pub fn seat_count(&self) -> usize {
        self.sections.iter().map(Section::seat_count).sum()
    }

    /// How many people fit: seats and the capacity of every area.
    pub fn unit_count(&self) -> u64 {
        self.sections.iter().map(Section::unit_count).sum()
    }

    /// The point people look at: the middle of the stage's edge nearest to the seats is not known in general, so it is
    /// the middle of the stage, else of the pitch, else of the room.
    pub fn focus(&self) -> Point {
        let middle_of = |kind: ShapeKind| {
            self.shapes
                .iter()
                .find(|shape| shape.kind == kind)
                .and_then(|shape| polygon::middle(&shape.polygon))
        };
        middle_of(ShapeKind::Stage)
            .or_else(|| middle_of(ShapeKind::Pitch))
            .unwrap_or([self.size[0] / 2.0, self.size[1] / 2.0])
    }
}

impl Section {
    /// How many seats it has.
    pub fn seat_count(&self) -> usize {
        self.rows.iter().map(|row| row.seats.len()).sum()
    }

    /// Seats and the capacity of its areas.
    pub fn unit_count(&self) -> u64 {
        self.seat_count() as u64 + self.areas.iter().map(|area| u64::from(area.capacity)).sum::<u64>()
    }
}

impl Seat {
    /// Where it is.
    pub fn position(&self) -> Point {
        [self.x, self.y]
    }
}
