//! What watches the platform, checked: the configurations in `observability/` with the real programs, and the names in rules and
//! dashboards with the catalogue of metrics.
//!
//! `tests/configuration.rs` reads files and is quick. `tests/live` runs a sale with the collector, Loki and Prometheus, whose first
//! build takes some minutes; it is asked for by name:
//!
//! ```text
//! cargo test --package livehouse-observe --test live -- --ignored
//! ```

pub mod programs;
pub mod queries;
