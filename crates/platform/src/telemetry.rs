//! Logs and metrics of the process.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::options::{LogFormat, Telemetry};

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Upper bounds, in seconds, of every duration histogram.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Where log lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A service speaks only in log lines: where its supervisor collects them.
    Stdout,
    /// A command's result is on stdout, for scripts to read.
    Stderr,
}

/// Starts logging. Called once, first thing in `main`.
pub fn start(options: &Telemetry, destination: Destination) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log)
        .map_err(|error| anyhow::anyhow!("the log filter '{}' is not valid: {error}", options.log))?;
    let writer = match destination {
        Destination::Stdout => BoxMakeWriter::new(std::io::stdout),
        Destination::Stderr => BoxMakeWriter::new(std::io::stderr),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(true).with_writer(writer);
    match options.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}

/// The process's metrics, installed on first use; later calls answer the same.
pub fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)
            .expect("the bucket list is not empty");
        builder.install_recorder().expect("nothing else installs a recorder")
    })
}
