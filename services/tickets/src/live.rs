//! The live view: what browsers see of seats, in step with the database.
//!
//! After a commit the replica that made it [`announce`]s what changed. The one replica that owns the event's lease
//! keeps a [`view`] of its seats, applies the announcements in the order of each section's `seq` ([`feed`]), and
//! answers every `get`; the RES library publishes the differences. An announcement may be lost: `seq` shows the
//! gap and the view is read from the database again.

pub mod announce;
pub mod feed;
pub mod view;
