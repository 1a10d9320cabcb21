//! Spans: made where work begins, carried from process to process, sent by OTLP.
//!
//! A call begins a trace when it arrives: the gateway passes none on. The batch that decides it continues the trace of its
//! first call and is linked with those of the others, both ways; facts carry the context of what wrote them through the outbox
//! and the stream to their consumers.
//!
//! Spans are of the level `debug` and cost next to nothing while nobody takes them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use livehouse_contract::metric;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span as SdkSpan, SpanData, SpanExporter, SpanProcessor,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::metrics::{count, label};

/// Header that carries the context of a trace between processes, as W3C has it.
pub const HEADER: &str = "traceparent";

/// Spans that wait to be sent. What ends when so many wait is given up and counted.
const WAITING_MAX: usize = 8_192;
/// Spans sent at once.
const SENT_AT_ONCE_MAX: usize = 512;
/// How often spans are sent when there are few.
const SEND_INTERVAL: Duration = Duration::from_secs(1);
/// Askers that one piece of work is linked with. The others are still in its number.
const LINKS_MAX: usize = 64;

/// The context of a span for another process, as the value of [`HEADER`]; none when nobody takes spans.
#[must_use]
pub fn parent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| {
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    })
}

/// Puts the context of `span` into the headers of a message that it leads to.
pub fn into_headers(span: &Span, headers: &mut HeaderMap) {
    if let Some(parent) = parent(span) {
        headers.insert(HEADER, parent.as_str());
    }
}

/// The value of [`HEADER`] in the headers of a message.
pub fn of_headers(headers: Option<&HeaderMap>) -> Option<&str> {
    headers?.get(HEADER).map(async_nats::HeaderValue::as_str)
}

/// Makes `span` a part of the trace that `parent` (the value of [`HEADER`]) belongs to, if it says one.
#[must_use]
pub fn continued(span: Span, parent: Option<&str>) -> Span {
    if !span.is_disabled()
        && let Some(parent) = parent
    {
        let carrier = HashMap::from([(HEADER.to_owned(), parent.to_owned())]);
        // A span that was entered already stays what it is; none is here.
        let _too_late = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
    identified(span)
}

/// Makes `span`, work that is done for several askers at once, a part of the first one's trace, and links it with the others.
#[must_use]
pub fn gathered<'a>(span: Span, askers: impl Iterator<Item = &'a Span>) -> Span {
    if span.is_disabled() {
        return span;
    }
    let mut askers = askers.filter(|asker| !asker.is_disabled()).take(LINKS_MAX);
    if let Some(first) = askers.next() {
        let _too_late = span.set_parent(first.context());
    }
    let others: Vec<(&Span, SpanContext)> =
        askers.map(|asker| (asker, asker.context().span().span_context().clone())).collect();
    for (_, context) in &others {
        span.add_link(context.clone());
    }
    let own = span.context().span().span_context().clone();
    for (asker, _) in others {
        asker.add_link(own.clone());
    }
    identified(span)
}

/// Notes the id of its trace in the field `trace_id` of a span that declares one: what knows fields only (the layer that sends
/// lines to Loki) sees it there.
#[must_use]
pub fn identified(span: Span) -> Span {
    if span.has_field("trace_id") {
        let context = span.context();
        if context.span().span_context().is_valid() {
            span.record("trace_id", context.span().span_context().trace_id().to_string());
        }
    }
    span
}

/// The ids of the trace and the span in which the caller runs.
pub(super) fn current_ids() -> Option<(String, String)> {
    let context = Context::current();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| (context.trace_id().to_string(), context.span_id().to_string()))
}

/// Sends spans in batches and holds no more than [`WAITING_MAX`] of them, whatever becomes of the collector.
pub(super) struct Bounded {
    sending: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl Bounded {
    pub(super) fn new(exporter: impl SpanExporter + 'static) -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(2 * WAITING_MAX)
            .with_max_export_batch_size(SENT_AT_ONCE_MAX)
            .with_scheduled_delay(SEND_INTERVAL)
            .build();
        let counted = Counted { exporter, waiting: Arc::clone(&waiting) };
        Self { sending: BatchSpanProcessor::builder(counted).with_batch_config(config).build(), waiting }
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bounded").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut SdkSpan, context: &Context) {
        self.sending.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            lose(1);
            return;
        }
        self.sending.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.sending.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.sending.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.sending.set_resource(resource);
    }
}

fn lose(spans: usize) {
    count(&metric::TELEMETRY_LOST, spans as u64, &[label("signal", "span")]);
}

/// An exporter that counts what it took and what it could not deliver.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    waiting: Arc<AtomicUsize>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        batch.iter_mut().for_each(name_request);
        let exported = self.exporter.export(batch).await;
        if exported.is_err() {
            lose(spans);
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// All requests of the RES library are spans of one name, which knows nothing of OpenTelemetry: they are named by their kind and
/// method, of which there are few.
fn name_request(span: &mut SpanData) {
    let value = |key: &str, attributes: &[KeyValue]| {
        attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|found| found.value.to_string())
    };
    if span.name != "request" {
        return;
    }
    let Some(kind) = value("res.kind", &span.attributes) else { return };
    span.name = match value("res.method", &span.attributes) {
        Some(method) => format!("{kind} {method}").into(),
        None => kind.into(),
    };
    span.span_kind = SpanKind::Server;
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::sync::{Mutex, PoisonError};

    use opentelemetry::trace::{SpanId, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::field::Empty;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Keeps what is sent.
    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(batch);
            Ok(())
        }
    }

    impl Kept {
        fn named(&self, name: &str) -> SpanData {
            let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = spans.iter().find(|span| span.name == name);
            found.unwrap_or_else(|| panic!("no span '{name}' among {spans:?}")).clone()
        }
    }

    /// Runs `work` with spans that are kept.
    fn traced(work: impl FnOnce()) -> Kept {
        let kept = Kept::default();
        let tracers = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(tracers.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        kept
    }

    #[test]
    fn work_for_several_is_below_the_first_and_linked_with_the_others_both_ways() {
        let kept = traced(|| {
            let askers = [tracing::debug_span!("one"), tracing::debug_span!("two"), Span::none()];
            let batch = tracing::debug_span!(parent: None, "batch", trace_id = Empty);
            let batch = gathered(batch, askers.iter());
            drop((batch, askers));
        });
        let (one, two, batch) = (kept.named("one"), kept.named("two"), kept.named("batch"));
        assert_eq!(batch.parent_span_id, one.span_context.span_id());
        assert_eq!(batch.span_context.trace_id(), one.span_context.trace_id());
        assert_ne!(two.span_context.trace_id(), one.span_context.trace_id());
        let linked = |span: &SpanData| -> Vec<SpanId> {
            span.links.iter().map(|link| link.span_context.span_id()).collect()
        };
        assert_eq!(linked(&batch), [two.span_context.span_id()]);
        assert_eq!(linked(&two), [batch.span_context.span_id()]);
        let trace = batch.attributes.iter().find(|attribute| attribute.key.as_str() == "trace_id");
        let expected = one.span_context.trace_id().to_string();
        assert_eq!(trace.map(|trace| trace.value.to_string()), Some(expected));
    }

    #[test]
    fn a_trace_goes_on_behind_a_header_and_begins_anew_without_one() {
        let mut headers = HeaderMap::new();
        let kept = traced(|| {
            let first = tracing::debug_span!("first");
            into_headers(&first, &mut headers);
            let next = continued(tracing::debug_span!(parent: None, "next"), of_headers(Some(&headers)));
            let wrong = continued(tracing::debug_span!(parent: None, "wrong"), Some("no context"));
            drop((first, next, wrong));
        });
        let (first, next, wrong) = (kept.named("first"), kept.named("next"), kept.named("wrong"));
        assert_eq!(next.parent_span_id, first.span_context.span_id());
        assert_eq!(next.span_context.trace_id(), first.span_context.trace_id());
        assert_eq!(wrong.parent_span_id, SpanId::INVALID);
        assert_eq!(parent(&Span::none()), None);
    }

    /// Delivers nothing until its gate is opened, and then fails.
    #[derive(Debug)]
    struct Stuck(Mutex<Receiver<()>>);

    impl SpanExporter for Stuck {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            let _opened = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Err(OTelSdkError::InternalFailure("nobody takes it, says a test".to_owned()))
        }
    }

    fn lost() -> usize {
        let page = crate::telemetry::page();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(r#"livehouse_telemetry_lost_total{signal="span"} "#));
        line.and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    #[test]
    fn spans_that_nobody_takes_are_bounded_given_up_and_counted_and_nobody_waits() {
        const MORE: usize = 1_000;
        let (gate, opened) = sync_channel(1);
        let before = lost();
        let tracers =
            SdkTracerProvider::builder().with_span_processor(Bounded::new(Stuck(Mutex::new(opened)))).build();
        let layer = tracing_opentelemetry::layer().with_tracer(tracers.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..WAITING_MAX + SENT_AT_ONCE_MAX + MORE {
                drop(tracing::debug_span!("span"));
            }
        });
        let given_up = lost() - before;
        assert!((MORE..=MORE + SENT_AT_ONCE_MAX).contains(&given_up), "{given_up} were given up");
        drop(gate);
        let _failed = tracers.shutdown_with_timeout(Duration::from_secs(5));
        assert_eq!(lost() - before, WAITING_MAX + SENT_AT_ONCE_MAX + MORE, "all are counted in the end");
    }
}
