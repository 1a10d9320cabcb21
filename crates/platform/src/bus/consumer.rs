//! Consuming facts: durable, explicitly acknowledged, and given up only when the fact itself is wrong.
//!
//! A handler fails in one of two ways. What passes by itself (no database, a full queue: see [`NotNow`]) puts the fact
//! off, for as long as it takes. Anything else counts as a failure of the fact, and [`FAILURES_MAX`] of them make it a
//! dead letter.

mod failure;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, AckKind};
use futures::{FutureExt, StreamExt};
use livehouse_contract::fact::Fact;
use livehouse_contract::id::FactId;
use livehouse_contract::{metric, path};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;

use self::failure::{Failures, passes_by_itself};
use super::{FACT_ID_HEADER, dead_letter};
use crate::retry::Backoff;
use crate::telemetry::{self, label};

pub use self::failure::NotNow;

/// So many failures that do not pass by themselves make a fact a dead letter.
pub const FAILURES_MAX: u32 = 6;
/// The longest that a fact is put off.
const PUT_OFF_MAX: Duration = Duration::from_secs(15);
/// A consumer that ran so long before it broke comes back as quickly as at first.
const GOOD_RUN: Duration = Duration::from_secs(15);
/// An unanswered delivery is repeated after this time.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// The longest wait between two tries of a fact that failed.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// Facts in flight at one replica.
const CONCURRENT_MAX: usize = 64;

/// A fact as it arrived.
#[derive(Debug, Clone)]
pub struct Delivered<F> {
    /// The fact's id, the same for every delivery of it.
    pub id: FactId,
    /// What happened.
    pub fact: F,
}

/// Consumes facts of kind `F` until `stop`. `consumer` names the durable position, shared by all replicas of a
/// service: `orders-holds_ended`. The handler must survive duplicates and any order. When it fails the fact comes again
/// later: without end while the failure passes by itself, else until [`FAILURES_MAX`] make it a dead letter. A handler
/// that takes longer than 15 seconds is dropped and counts as put off; one that panics has failed.
pub async fn consume<F, H, W>(
    jetstream: jetstream::Context,
    consumer: &'static str,
    stop: CancellationToken,
    handler: H,
) where
    F: Fact,
    H: Fn(Delivered<F>) -> W + Send + Sync,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    for metric in [&metric::FACTS_HANDLED, &metric::FACTS_PUT_OFF, &metric::DEAD_LETTERS] {
        telemetry::count(metric, 0, &[label("consumer", consumer)]);
    }
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let failures = Failures::new();
    let consuming = Consuming { jetstream: &jetstream, consumer, handler: &handler, failures: &failures };
    while !stop.is_cancelled() {
        let started = Instant::now();
        let consumed = tokio::select! {
            () = stop.cancelled() => return,
            consumed = consume_until_broken(&consuming, &mut backoff) => consumed,
        };
        if started.elapsed() > GOOD_RUN {
            backoff.reset();
        }
        if let Err(error) = consumed {
            tracing::warn!(
                consumer,
                error = format!("{error:#}"),
                "consumer is interrupted and will come back"
            );
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}

/// What belongs together while facts are consumed.
struct Consuming<'a, H> {
    jetstream: &'a jetstream::Context,
    consumer: &'static str,
    handler: &'a H,
    failures: &'a Failures,
}

async fn consume_until_broken<F, H, W>(
    consuming: &Consuming<'_, H>,
    backoff: &mut Backoff,
) -> anyhow::Result<()>
where
    F: Fact,
    H: Fn(Delivered<F>) -> W + Send + Sync,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    let consumer = consuming.consumer;
    let stream = consuming.jetstream.get_stream(path::FACT_STREAM).await?;
    let config = pull::Config {
        durable_name: Some(consumer.to_owned()),
        filter_subject: F::SUBJECT.to_owned(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ANSWER_DEADLINE,
        // The handler decides when to give up; the broker's own limit would drop a fact silently.
        max_deliver: -1,
        max_ack_pending: 4 * CONCURRENT_MAX as i64,
        ..Default::default()
    };
    let durable = stream.get_or_create_consumer(consumer, config).await?;
    let messages = durable
        .stream()
        .max_messages_per_batch(CONCURRENT_MAX)
        .heartbeat(Duration::from_secs(5))
        .expires(Duration::from_secs(15))
        .messages()
        .await?;
    let mut handled = messages
        .map(|message| async move {
            let message = message?;
            let span = tracing::debug_span!(
                parent: None, "process", otel.kind = "consumer", messaging.system = "nats",
                messaging.operation.name = "process", messaging.consumer.group.name = consumer,
                messaging.destination.name = F::SUBJECT, fact.id = Empty, error.type = Empty, trace_id = Empty,
            );
            let span = telemetry::continued(span, telemetry::of_headers(message.headers.as_ref()));
            handle_message::<F, H, W>(consuming, message).instrument(span).await
        })
        .buffer_unordered(CONCURRENT_MAX);
    while let Some(outcome) = handled.next().await {
        outcome?;
        backoff.reset();
    }
    Ok(())
}

async fn handle_message<F, H, W>(
    consuming: &Consuming<'_, H>,
    message: jetstream::Message,
) -> anyhow::Result<()>
where
    F: Fact,
    H: Fn(Delivered<F>) -> W + Send + Sync,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    let Consuming { jetstream, consumer, handler, failures } = *consuming;
    let (tries, position) = message.info().map_or((1, 0), |info| (info.delivered, info.stream_sequence));
    let outcome = match read::<F>(&message) {
        Ok(delivered) => {
            tracing::Span::current().record("fact.id", tracing::field::display(delivered.id));
            let began = Instant::now();
            let outcome = handle(handler, delivered).await;
            note(consumer, began, outcome.as_ref().err());
            outcome
        }
        // Trying again cannot mend what cannot be read.
        Err(error) => {
            dead_letter::bury(jetstream, consumer, &message, &error).await?;
            return acknowledge(&message, AckKind::Term).await;
        }
    };
    let Err(error) = outcome else {
        failures.forget(position);
        telemetry::count(&metric::FACTS_HANDLED, 1, &[label("consumer", consumer)]);
        return acknowledge(&message, AckKind::Ack).await;
    };
    let reason = format!("{error:#}");
    if passes_by_itself(&error) {
        telemetry::count(&metric::FACTS_PUT_OFF, 1, &[label("consumer", consumer)]);
        tracing::warn!(consumer, tries, error = reason, "a fact cannot be handled now and is put off");
        return acknowledge(&message, AckKind::Nak(Some(delay_after(tries, PUT_OFF_MAX)))).await;
    }
    let failed = failures.count(position);
    if failed >= FAILURES_MAX {
        dead_letter::bury(jetstream, consumer, &message, &error).await?;
        failures.forget(position);
        return acknowledge(&message, AckKind::Term).await;
    }
    tracing::warn!(consumer, failed, error = reason, "a fact could not be handled and will be tried again");
    acknowledge(&message, AckKind::Nak(Some(delay_after(i64::from(failed), DELAY_MAX)))).await
}

/// Notes how long the handling of a fact took, and how it ended.
fn note(consumer: &'static str, began: Instant, error: Option<&anyhow::Error>) {
    let mut labels = vec![
        label("messaging.system", "nats"),
        label("messaging.operation.name", "process"),
        label("messaging.consumer.group.name", consumer),
    ];
    if let Some(error) = error {
        let kind = if passes_by_itself(error) { "put_off" } else { "failed" };
        tracing::Span::current().record("error.type", kind);
        labels.push(label("error.type", kind));
    }
    telemetry::record(&metric::FACT_DURATION, began.elapsed().as_secs_f64(), &labels);
}

async fn handle<F, H, W>(handler: &H, delivered: Delivered<F>) -> anyhow::Result<()>
where
    H: Fn(Delivered<F>) -> W,
    W: Future<Output = anyhow::Result<()>>,
{
    // One fact that makes the handler panic must not take the others with it.
    let handling = AssertUnwindSafe(async { handler(delivered).await }).catch_unwind();
    match tokio::time::timeout(ANSWER_DEADLINE / 2, handling).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(anyhow::anyhow!("the handler panicked; the log says where")),
        Err(elapsed) => {
            Err(anyhow::Error::new(elapsed).context("the handler did not come to an end in time"))
        }
    }
}

fn read<F: Fact>(message: &jetstream::Message) -> anyhow::Result<Delivered<F>> {
    let id = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(FACT_ID_HEADER))
        .ok_or_else(|| anyhow::anyhow!("the header {FACT_ID_HEADER} is missing"))?
        .as_str()
        .parse()?;
    let fact = serde_json::from_slice(&message.payload)?;
    Ok(Delivered { id, fact })
}

/// The delay after the `tries`th try, from 1.
fn delay_after(tries: i64, most: Duration) -> Duration {
    let mut backoff = Backoff::new(Duration::from_millis(250), most);
    (1..tries.min(16)).for_each(|_| {
        backoff.next_delay();
    });
    backoff.next_delay()
}

async fn acknowledge(message: &jetstream::Message, kind: AckKind) -> anyhow::Result<()> {
    message.ack_with(kind).await.map_err(|error| anyhow::anyhow!("cannot acknowledge a fact: {error}"))
}
