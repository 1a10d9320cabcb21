//! The process around a service, against a real broker and a real database.
#![allow(clippy::unwrap_used)]

mod bus;
mod consumer;
mod lease;
mod outbox;
mod place;
mod postgres;
