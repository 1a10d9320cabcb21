//! The instruments of the catalogue, and the page that shows them.
//!
//! There is one set of instruments with two readers: one sends by OTLP, the other is asked by `/metrics`, where a person or a
//! test sees what this process would send now.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use livehouse_contract::metric::{ALL, Kind, Metric, TELEMETRY_LOST};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider, UpDownCounter};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, PeriodicReader, Pipeline, SdkMeterProvider, Temporality,
};

/// How often metrics are sent; `OTEL_METRIC_EXPORT_INTERVAL` (milliseconds) says otherwise.
const SEND_INTERVAL: Duration = Duration::from_secs(15);

static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

/// A reader that can be asked by more than its provider.
#[derive(Debug, Clone)]
struct Asked(Arc<ManualReader>);

impl MetricReader for Asked {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

enum Instrument {
    Counter(Counter<u64>),
    UpDownCounter(UpDownCounter<i64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram<f64>),
}

struct Instruments {
    provider: SdkMeterProvider,
    reader: Asked,
    by_name: HashMap<&'static str, Instrument>,
}

impl Instruments {
    /// Instruments whose values are sent, if there is somewhere to send them.
    fn new(sending: Option<(MetricExporter, Resource)>) -> Self {
        let reader = Asked(Arc::new(ManualReader::builder().build()));
        let mut builder = SdkMeterProvider::builder().with_reader(reader.clone());
        if let Some((exporter, resource)) = sending {
            let mut sender = PeriodicReader::builder(exporter);
            if std::env::var_os("OTEL_METRIC_EXPORT_INTERVAL").is_none() {
                sender = sender.with_interval(SEND_INTERVAL);
            }
            builder = builder.with_reader(sender.build()).with_resource(resource);
        }
        let provider = builder.build();
        let meter = provider.meter("livehouse");
        let instrument = |metric: &'static Metric| match metric.kind {
            Kind::Counter => Instrument::Counter(
                meter
                    .u64_counter(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.meaning)
                    .build(),
            ),
            Kind::UpDownCounter => Instrument::UpDownCounter(
                meter
                    .i64_up_down_counter(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.meaning)
                    .build(),
            ),
            Kind::Gauge => Instrument::Gauge(
                meter.f64_gauge(metric.name).with_unit(metric.unit).with_description(metric.meaning).build(),
            ),
            Kind::Histogram(bounds) => Instrument::Histogram(
                meter
                    .f64_histogram(metric.name)
                    .with_unit(metric.unit)
                    .with_description(metric.meaning)
                    .with_boundaries(bounds.to_vec())
                    .build(),
            ),
        };
        let by_name = ALL.iter().map(|metric| (metric.name, instrument(metric))).collect();
        Self { provider, reader, by_name }
    }
}

fn instruments() -> &'static Instruments {
    INSTRUMENTS.get_or_init(|| Instruments::new(None))
}

/// From now on metrics are sent. To be called before anything is counted.
pub(super) fn send(exporter: MetricExporter, resource: Resource) {
    let is_first = INSTRUMENTS.set(Instruments::new(Some((exporter, resource)))).is_ok();
    debug_assert!(is_first, "something was counted before telemetry was started");
}

/// Sends what was counted since the last time. Takes no longer than `deadline`; nothing is sent afterwards.
pub(super) fn end(deadline: Duration) {
    if let Some(instruments) = INSTRUMENTS.get() {
        // There is nobody left to be told that it failed.
        let _ended = instruments.provider.shutdown_with_timeout(deadline);
    }
}

/// Counters of `service` without labels begin at zero, so that their first increase is seen as one.
pub(super) fn begin(service: &str) {
    for metric in ALL.iter().filter(|metric| metric.by.contains(&service) && metric.labels.is_empty()) {
        if metric.kind == Kind::Counter {
            count(metric, 0, &[]);
        }
    }
    for signal in ["span", "log"] {
        count(&TELEMETRY_LOST, 0, &[label("signal", signal)]);
    }
}

/// A label of a metric.
pub fn label(name: &'static str, value: impl Into<opentelemetry::Value>) -> KeyValue {
    KeyValue::new(name, value)
}

/// Adds to a counter.
pub fn count(metric: &'static Metric, amount: u64, labels: &[KeyValue]) {
    match &instruments().by_name[metric.name] {
        Instrument::Counter(counter) => counter.add(amount, labels),
        _ => debug_assert!(false, "{} is no counter", metric.name),
    }
}

/// Adds to a counter that also falls.
pub fn add(metric: &'static Metric, amount: i64, labels: &[KeyValue]) {
    match &instruments().by_name[metric.name] {
        Instrument::UpDownCounter(counter) => counter.add(amount, labels),
        _ => debug_assert!(false, "{} is no up-down counter", metric.name),
    }
}

/// Sets a gauge.
pub fn set(metric: &'static Metric, value: f64, labels: &[KeyValue]) {
    match &instruments().by_name[metric.name] {
        Instrument::Gauge(gauge) => gauge.record(value, labels),
        _ => debug_assert!(false, "{} is no gauge", metric.name),
    }
}

/// Notes a value in a histogram.
pub fn record(metric: &'static Metric, value: f64, labels: &[KeyValue]) {
    match &instruments().by_name[metric.name] {
        Instrument::Histogram(histogram) => histogram.record(value, labels),
        _ => debug_assert!(false, "{} is no histogram", metric.name),
    }
}

/// All metrics of the process as they are now, in Prometheus's text format.
pub fn page() -> String {
    let mut collected = ResourceMetrics::default();
    let mut page = String::new();
    if instruments().reader.collect(&mut collected).is_err() {
        // After the end of the process's telemetry there is nothing to show.
        return page;
    }
    for metric in collected.scope_metrics().flat_map(|scope| scope.metrics()) {
        let Some(known) = ALL.iter().find(|known| known.name == metric.name()) else { continue };
        let name = known.exposed_name();
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().for_each(|point| line(&mut page, &name, point.attributes(), point.value()));
            }
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                sum.data_points().for_each(|point| line(&mut page, &name, point.attributes(), point.value()));
            }
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                gauge
                    .data_points()
                    .for_each(|point| line(&mut page, &name, point.attributes(), point.value()));
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                for point in histogram.data_points() {
                    let mut below = 0;
                    let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
                    for (bound, count) in bounds.zip(point.bucket_counts()) {
                        below += count;
                        let bound = KeyValue::new("le", bound);
                        let labels = point.attributes().chain([&bound]);
                        line(&mut page, &format!("{name}_bucket"), labels, below);
                    }
                    line(&mut page, &format!("{name}_sum"), point.attributes(), point.sum());
                    line(&mut page, &format!("{name}_count"), point.attributes(), point.count());
                }
            }
            _ => {}
        }
    }
    page
}

fn line<'a>(
    page: &mut String,
    name: &str,
    labels: impl Iterator<Item = &'a KeyValue>,
    value: impl std::fmt::Display,
) {
    let labels: Vec<String> = labels
        .map(|label| {
            let value =
                label.value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{}=\"{value}\"", label.key.as_str().replace('.', "_"))
        })
        .collect();
    let _infallible = if labels.is_empty() {
        writeln!(page, "{name} {value}")
    } else {
        writeln!(page, "{name}{{{}}} {value}", labels.join(","))
    };
}
