//! Seating layouts: geometry, content hash, importers with repairs, and the generated venues of the seeded sale.
//!
//! A [`Layout`] is the picture of a room: sections, rows, seats, standing areas and what is drawn around them. It never
//! changes; its id is the hash of its content, so a browser may keep it for ever. Nothing here reads a file, a clock or
//! the network: bytes go in, values come out.
//!
//! ```
//! use livehouse_seating::{generate, import};
//!
//! let hall = generate::studio();
//! let bytes = hall.canonical_json();
//! let again = import::parse(&bytes).expect("a layout reads its own JSON");
//! assert_eq!(again.layout.id, hall.hash());
//!
//! let index = hall.seat_index().expect("a generated layout is valid");
//! let seat = &hall.sections[0].rows[0].seats[0];
//! assert_eq!(index.ordinal(&seat.id), Some(0));
//! ```

mod draw;
pub mod generate;
pub mod geometry;
pub mod import;
pub mod index;
mod report;

pub use geometry::{Area, Attribute, Category, Layout, Point, Row, Seat, Section, Shape, ShapeKind};
pub use index::{AreaPlace, SeatIndex, SeatPlace};
pub use report::{Problem, Refused, Repair};
