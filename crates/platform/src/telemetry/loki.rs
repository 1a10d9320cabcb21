//! Log lines sent to Loki by the process itself, where no agent reads its standard output.
//!
//! The crate that sends them tries again by itself and longer each time, but reads its queue into a list without an end while
//! Loki is away. Here it is left alone for most of that time: its queue of [`WAITING_MAX`] lines stays full, what comes then is
//! given up and counted, and nobody waits. It never holds more than some thousand lines.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use livehouse_contract::metric;
use tokio::time::{Instant, Sleep};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

use super::metrics::{count, label};

/// Lines that the sender's queue holds.
const WAITING_MAX: usize = 512;
/// How long it is left alone after its first failure in a row; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(600);
/// After so many failures in a row the pauses grow no longer.
const FAILURES_MAX: u32 = 7;
/// A failure so long after the last pause is the first of a new row.
const GOOD_RUN: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    /// Lines put into the queue since the sender last emptied it.
    waiting: AtomicUsize,
    /// How often the sender has failed.
    failures: AtomicU32,
}

/// What sees every line and passes it on.
pub(super) struct Lines {
    inner: tracing_loki::Layer,
    state: Arc<State>,
}

/// The task that sends; to be spawned.
pub(super) struct Sender {
    inner: Pin<Box<tracing_loki::BackgroundTask>>,
    state: Arc<State>,
    seen_failures: u32,
    in_a_row: u32,
    pause: Option<Pin<Box<Sleep>>>,
    paused_until: Instant,
}

/// The layer for `service` and its replica, and the task that sends its lines to `url`.
pub(super) fn start(url: &str, service: &str, replica: &str) -> anyhow::Result<(Lines, Sender)> {
    let url = url::Url::parse(url).with_context(|| format!("LIVEHOUSE_LOKI_URL is no URL: {url}"))?;
    let (layer, task) = tracing_loki::builder()
        .label("service_name", service)?
        .extra_field("replica", replica)?
        .build_url(url)?;
    let state = Arc::new(State::default());
    let lines = Lines { inner: layer, state: Arc::clone(&state) };
    let sender = Sender {
        inner: Box::pin(task),
        state,
        seen_failures: 0,
        in_a_row: 0,
        pause: None,
        paused_until: Instant::now(),
    };
    Ok((lines, sender))
}

fn lose(lines: u64) {
    count(&metric::TELEMETRY_LOST, lines, &[label("signal", "log")]);
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        self.inner.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: LayerContext<'_, S>) {
        self.inner.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: LayerContext<'_, S>) {
        if event.metadata().target().starts_with("tracing_loki") {
            // The sender tells that it failed, and perhaps that it gave lines up.
            let mut told = GivenUp::default();
            event.record(&mut told);
            match told.0 {
                Some(lines) => lose(lines),
                None => {
                    self.state.failures.fetch_add(1, Ordering::Relaxed);
                }
            }
            return;
        }
        if self.state.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.state.waiting.fetch_sub(1, Ordering::Relaxed);
            lose(1);
            return;
        }
        self.inner.on_event(event, context);
    }
}

#[derive(Default)]
struct GivenUp(Option<u64>);

impl Visit for GivenUp {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "num_dropped" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl Future for Sender {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        // It takes everything out of its queue before it does anything else.
        self.state.waiting.store(0, Ordering::Relaxed);
        let outcome = Pin::new(&mut tokio::task::unconstrained(self.inner.as_mut())).poll(context);
        let failures = self.state.failures.load(Ordering::Relaxed);
        if failures == self.seen_failures {
            return outcome;
        }
        self.seen_failures = failures;
        self.in_a_row = if self.paused_until.elapsed() > GOOD_RUN { 1 } else { self.in_a_row + 1 };
        let pause = PAUSE * 2_u32.pow(self.in_a_row.min(FAILURES_MAX) - 1);
        self.paused_until = Instant::now() + pause;
        let mut sleep = Box::pin(tokio::time::sleep_until(self.paused_until));
        // Registers this task: it is woken when the pause is over.
        if sleep.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        self.pause = Some(sleep);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn lost() -> usize {
        let page = crate::telemetry::page();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(r#"livehouse_telemetry_lost_total{signal="log"} "#));
        line.and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    fn write(lines: usize) {
        (0..lines).for_each(|number| tracing::info!(number, "a line"));
    }

    #[tokio::test]
    async fn lines_that_loki_does_not_take_are_bounded_given_up_and_counted_and_nobody_waits() {
        // Nobody listens there.
        let (lines, sender) = start("http://127.0.0.1:1/", "test", "test-1").expect("the URL is one");
        let state = Arc::clone(&lines.state);
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        write(WAITING_MAX + 100);
        assert_eq!(lost(), 100, "the queue is full, and this thread is the sender's too");
        tokio::spawn(sender);
        let failed = async {
            while state.failures.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), failed).await.expect("it fails");
        // It is left alone now: its queue fills, and nothing else does.
        write(WAITING_MAX);
        tokio::task::yield_now().await;
        write(1_000);
        assert_eq!(lost(), 1_100);
    }

    #[test]
    fn an_address_that_is_none_is_refused_at_start() {
        assert!(start("loki", "test", "test-1").is_err());
    }
}
