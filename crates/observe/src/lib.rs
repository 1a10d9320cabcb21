//! What watches the platform, checked: the configurations in `observability/` with the real programs, and the names in rules and
//! dashboards with the catalogue of metrics.
//!
//! `tests/configuration.rs` reads files and is quick, but for the rules' own tests, which need promtool. `tests/live` runs a sale with the
//! collector, Loki and Prometheus. The first build of these programs takes some minutes, so what needs them is asked for:
//!
//! ```text
//! cargo test --package livehouse-observe -- --ignored --test-threads=1
//! ```

pub mod programs;
pub mod queries;
