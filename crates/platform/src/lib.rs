//! The process around a service: options, telemetry, Postgres, KeyDB, bus and outbox, ownership, health, stop.
//!
//! A service's `main` parses its options, connects with what stands here and serves; nothing here knows what a
//! seat or an order is.

pub mod audit;
pub mod bus;
pub mod health;
pub mod keydb;
pub mod lease;
pub mod options;
pub mod postgres;
pub mod retry;
pub mod session;
pub mod stop;
pub mod telemetry;

/// A batch makes thousands of small values on one thread that others drop, which the C library's allocator is slow
/// at. Every process that uses this crate gets it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
