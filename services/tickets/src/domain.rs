//! What is allowed, and what changes: pure rules, without clock, database or network.
//!
//! A batch of [`command::Command`]s is decided one after the other against a [`world::World`] that was read under
//! the locks of every section they touch; what changed is left in the world for the store to write.

pub mod command;
pub mod decide;
pub mod hold;
pub mod sale;
#[cfg(test)]
mod simulation;
pub mod world;
