//! Consuming facts: durable, explicitly acknowledged, tried a bounded number of times.

use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, AckKind};
use futures::StreamExt;
use livehouse_contract::fact::Fact;
use livehouse_contract::id::FactId;
use livehouse_contract::path;
use tokio_util::sync::CancellationToken;

use super::{FACT_ID_HEADER, dead_letter};
use crate::retry::Backoff;

/// A fact is tried this often before it becomes a dead letter.
pub const TRIES_MAX: i64 = 6;
/// An unanswered delivery is repeated after this time.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Facts in flight at one replica.
const CONCURRENT_MAX: usize = 64;

/// A fact as it arrived.
#[derive(Debug, Clone)]
pub struct Delivered<F> {
    /// The fact's id, the same for every delivery of it.
    pub id: FactId,
    /// What happened.
    pub fact: F,
    /// Which try this is, from 1.
    pub tries: i64,
}

/// Consumes facts of kind `F` until `stop`. `consumer` names the durable position, shared by all replicas of a
/// service: `orders-holds_ended`. The handler must survive duplicates and any order; when it fails the fact
/// comes again later, and after [`TRIES_MAX`] tries it becomes a dead letter.
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
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    while !stop.is_cancelled() {
        let consumed = tokio::select! {
            () = stop.cancelled() => return,
            consumed = consume_until_broken(&jetstream, consumer, &handler) => consumed,
        };
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

async fn consume_until_broken<F, H, W>(
    jetstream: &jetstream::Context,
    consumer: &'static str,
    handler: &H,
) -> anyhow::Result<()>
where
    F: Fact,
    H: Fn(Delivered<F>) -> W + Send + Sync,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    let stream = jetstream.get_stream(path::FACT_STREAM).await?;
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
        .map(|message| async move { handle_message::<F, H, W>(jetstream, consumer, handler, message?).await })
        .buffer_unordered(CONCURRENT_MAX);
    while let Some(outcome) = handled.next().await {
        outcome?;
    }
    Ok(())
}

async fn handle_message<F, H, W>(
    jetstream: &jetstream::Context,
    consumer: &'static str,
    handler: &H,
    message: jetstream::Message,
) -> anyhow::Result<()>
where
    F: Fact,
    H: Fn(Delivered<F>) -> W + Send + Sync,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    let tries = message.info().map_or(1, |info| info.delivered);
    let outcome = match read::<F>(&message, tries) {
        Ok(delivered) => {
            let handled = tokio::time::timeout(ANSWER_DEADLINE / 2, handler(delivered)).await;
            handled.unwrap_or_else(|_| {
                Err(anyhow::anyhow!("the handler took longer than {:?}", ANSWER_DEADLINE / 2))
            })
        }
        // Trying again cannot mend what cannot be read.
        Err(error) => {
            dead_letter::bury(jetstream, consumer, &message, &error).await?;
            return acknowledge(&message, AckKind::Term).await;
        }
    };
    match outcome {
        Ok(()) => {
            metrics::counter!("livehouse_facts_handled_total", "consumer" => consumer).increment(1);
            acknowledge(&message, AckKind::Ack).await
        }
        Err(error) if tries >= TRIES_MAX => {
            dead_letter::bury(jetstream, consumer, &message, &error).await?;
            acknowledge(&message, AckKind::Term).await
        }
        Err(error) => {
            tracing::warn!(
                consumer,
                tries,
                error = format!("{error:#}"),
                "a fact could not be handled and will be tried again"
            );
            acknowledge(&message, AckKind::Nak(Some(delay_before(tries + 1)))).await
        }
    }
}

fn read<F: Fact>(message: &jetstream::Message, tries: i64) -> anyhow::Result<Delivered<F>> {
    let id = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(FACT_ID_HEADER))
        .ok_or_else(|| anyhow::anyhow!("the header {FACT_ID_HEADER} is missing"))?
        .as_str()
        .parse()?;
    let fact = serde_json::from_slice(&message.payload)?;
    Ok(Delivered { id, fact, tries })
}

fn delay_before(tries: i64) -> Duration {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    (2..tries).for_each(|_| {
        backoff.next_delay();
    });
    backoff.next_delay()
}

async fn acknowledge(message: &jetstream::Message, kind: AckKind) -> anyhow::Result<()> {
    message.ack_with(kind).await.map_err(|error| anyhow::anyhow!("cannot acknowledge a fact: {error}"))
}
