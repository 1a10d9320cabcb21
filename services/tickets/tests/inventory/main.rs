//! The tickets service against real servers: the inventory, its live view, and what goes wrong around them.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]

mod bad_input;
mod holding;
mod house;
mod races;
mod selling;
