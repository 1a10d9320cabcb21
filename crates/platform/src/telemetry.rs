//! Logs, metrics and traces of the process.
//!
//! Logs are lines on standard output, and with `LIVEHOUSE_LOKI_URL` they are sent to Loki too. Metrics and traces are sent by OTLP
//! (gRPC) when `OTEL_EXPORTER_OTLP_ENDPOINT` says where; the other standard variables (`OTEL_TRACES_SAMPLER`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_TIMEOUT` …) count as well. Without it nothing is sent and no spans are made; the page
//! `/metrics` is always there. Whoever should take all this may be away: what cannot be delivered is given up and counted, and nothing
//! waits for it.

mod logs;
mod loki;
mod metrics;
mod res;
mod traces;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::options::{LogFormat, Telemetry};

pub use self::metrics::{add, count, label, page, record, set};
pub use self::res::watched;
pub use self::traces::{HEADER, continued, gathered, identified, into_headers, of_headers, parent};

/// The longest that a process waits at its end for what it still has to tell.
const END_DEADLINE: Duration = Duration::from_secs(3);
/// Where the collector is. Nothing is sent without it.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

static SENDS_LINES: AtomicBool = AtomicBool::new(false);

/// Whose telemetry it is.
#[derive(Debug, Clone, Copy)]
pub enum Process<'a> {
    /// A service: it speaks only in log lines, where its supervisor collects them, and is watched by metrics and traces.
    Service {
        /// Its name, such as `tickets`.
        name: &'static str,
        /// Which of its replicas.
        replica: &'a str,
    },
    /// A command: its result is on standard output, for scripts to read, so its log is on standard error. It sends nothing.
    Command,
}

/// Telemetry while the process runs. Dropping it delivers what is left, for at most some seconds.
#[derive(Debug)]
pub struct Running {
    tracers: Option<SdkTracerProvider>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(tracers) = &self.tracers {
            // There is nobody left to be told that it failed.
            let _ended = tracers.shutdown_with_timeout(END_DEADLINE);
            metrics::end(END_DEADLINE);
        }
    }
}

/// Starts it. Called once, first thing in `main`, in the runtime; to be kept until the end.
pub fn start(options: &Telemetry, process: Process<'_>) -> anyhow::Result<Running> {
    let filter = || {
        EnvFilter::try_new(&options.log)
            .map_err(|error| anyhow::anyhow!("the log filter '{}' is not valid: {error}", options.log))
    };
    let writer = match process {
        Process::Service { .. } => BoxMakeWriter::new(std::io::stdout),
        Process::Command => BoxMakeWriter::new(std::io::stderr),
    };
    let lines = tracing_subscriber::fmt::layer().with_target(true).with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match options.log_format {
        LogFormat::Json => Box::new(
            lines
                .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
                .event_format(logs::Traced::new())
                .with_filter(filter()?),
        ),
        LogFormat::Text => Box::new(lines.with_filter(filter()?)),
    };
    let mut layers = vec![lines];
    let mut running = Running { tracers: None };
    if let Process::Service { name, replica } = process {
        if let Some(tracers) = sending(name, replica)? {
            let layer = tracing_opentelemetry::layer()
                .with_tracer(tracers.tracer("livehouse"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false);
            layers.push(Box::new(layer.with_filter(spans().and(filter_fn(is_span_or_warning)))));
            running.tracers = Some(tracers);
        }
        metrics::begin(name);
        if let Some(url) = &options.loki_url {
            let (layer, sender) = loki::start(url, name, replica)?;
            tokio::spawn(sender);
            // The fields of its spans are on a line, whatever their level.
            let wanted = filter()?.or(spans().and(filter_fn(|metadata| metadata.is_span())));
            layers.push(Box::new(layer.with_filter(wanted)));
            SENDS_LINES.store(true, Ordering::Relaxed);
        }
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(running)
}

/// Are lines sent to Loki by this process?
fn sends_lines() -> bool {
    SENDS_LINES.load(Ordering::Relaxed)
}

/// The spans of a trace: our own and those of the RES library.
fn spans() -> Targets {
    Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target("livehouse", LevelFilter::DEBUG)
        .with_target("res_service", LevelFilter::DEBUG)
}

/// What goes into a trace: spans, and the events in them that somebody should see.
fn is_span_or_warning(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() || *metadata.level() <= Level::WARN
}

/// Starts sending metrics and spans, if it is said where to.
fn sending(name: &'static str, replica: &str) -> anyhow::Result<Option<SdkTracerProvider>> {
    if std::env::var(ENDPOINT).is_ok_and(|endpoint| !endpoint.is_empty()) {
        let resource = Resource::builder()
            .with_service_name(name)
            .with_attributes([
                KeyValue::new("service.namespace", "livehouse"),
                KeyValue::new("service.instance.id", replica.to_owned()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let refused = || format!("{ENDPOINT} does not say where to send metrics and traces");
        let exporter = MetricExporter::builder().with_tonic().build().with_context(refused)?;
        metrics::send(exporter, resource.clone());
        let exporter = SpanExporter::builder().with_tonic().build().with_context(refused)?;
        let tracers = SdkTracerProvider::builder()
            .with_span_processor(traces::Bounded::new(exporter))
            .with_resource(resource)
            .build();
        return Ok(Some(tracers));
    }
    Ok(None)
}
