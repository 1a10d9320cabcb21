//! Dead letters: facts that a consumer gave up on, kept with the reason until somebody replays them.

use std::time::Duration;

use anyhow::Context;
use async_nats::HeaderMap;
use async_nats::jetstream::{self, consumer::DeliverPolicy, consumer::pull};
use futures::StreamExt;
use livehouse_contract::{metric, path};

use super::FACT_ID_HEADER;
use crate::telemetry;

const CONSUMER_HEADER: &str = "Livehouse-Consumer";
const ERROR_HEADER: &str = "Livehouse-Error";
const SUBJECT_HEADER: &str = "Livehouse-Subject";
/// A header must fit a NATS message many times over.
const ERROR_CHARS_MAX: usize = 400;

/// Moves a fact that `consumer` gave up on to the dead letters.
pub(super) async fn bury(
    jetstream: &jetstream::Context,
    consumer: &'static str,
    message: &jetstream::Message,
    error: &anyhow::Error,
) -> anyhow::Result<()> {
    let fact = message
        .headers
        .as_ref()
        .and_then(|headers| headers.get(FACT_ID_HEADER))
        .map_or("", |value| value.as_str());
    let reason: String = format!("{error:#}")
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(ERROR_CHARS_MAX)
        .collect();
    tracing::error!(consumer, fact.id = fact, fact.subject = %message.subject, error = reason, "a fact became a dead letter");
    telemetry::count(&metric::DEAD_LETTERS, 1, &[telemetry::label("consumer", consumer)]);
    let mut headers = HeaderMap::new();
    headers.insert(FACT_ID_HEADER, fact);
    headers.insert(CONSUMER_HEADER, consumer);
    headers.insert(ERROR_HEADER, reason.as_str());
    headers.insert(SUBJECT_HEADER, message.subject.as_str());
    if let Some(parent) = telemetry::of_headers(message.headers.as_ref()) {
        headers.insert(telemetry::HEADER, parent);
    }
    let subject = format!("{}.{consumer}.{}", path::DEAD_LETTER_PREFIX, message.subject);
    jetstream.publish_with_headers(subject, headers, message.payload.clone()).await?.await?;
    Ok(())
}

/// How many dead letters there are.
pub async fn count(jetstream: &jetstream::Context) -> anyhow::Result<u64> {
    let stream = jetstream
        .get_stream(path::DEAD_LETTER_STREAM)
        .await
        .context("the dead-letter stream is not there")?;
    Ok(stream.get_info().await?.state.messages)
}

/// Publishes every dead letter of `consumer` (or of all) again as the fact it was, and removes it. Consumers that
/// took its effect the first time recognise its id and do nothing. Answers how many were replayed.
pub async fn replay(jetstream: &jetstream::Context, consumer: Option<&str>) -> anyhow::Result<u64> {
    let stream = jetstream
        .get_stream(path::DEAD_LETTER_STREAM)
        .await
        .context("the dead-letter stream is not there")?;
    let filter_subject = match consumer {
        Some(consumer) => format!("{}.{consumer}.>", path::DEAD_LETTER_PREFIX),
        None => format!("{}.>", path::DEAD_LETTER_PREFIX),
    };
    let reader = stream
        .create_consumer(pull::Config {
            filter_subject,
            deliver_policy: DeliverPolicy::All,
            ..Default::default()
        })
        .await?;
    let waiting = reader.cached_info().num_pending;
    let mut letters = reader
        .fetch()
        .max_messages(usize::try_from(waiting)?)
        .expires(Duration::from_secs(5))
        .messages()
        .await?;
    let mut replayed = 0;
    while let Some(letter) = letters.next().await {
        let letter = letter.map_err(|error| anyhow::anyhow!("cannot read a dead letter: {error}"))?;
        let sequence = letter
            .info()
            .map_err(|error| anyhow::anyhow!("a dead letter has no position: {error}"))?
            .stream_sequence;
        let headers = letter.headers.clone().unwrap_or_default();
        let subject =
            headers.get(SUBJECT_HEADER).context("a dead letter does not say which fact it was")?.to_string();
        let mut again = HeaderMap::new();
        again.insert(FACT_ID_HEADER, headers.get(FACT_ID_HEADER).map_or("", |id| id.as_str()));
        if let Some(parent) = telemetry::of_headers(Some(&headers)) {
            again.insert(telemetry::HEADER, parent);
        }
        // Another message id: the stream would take the same one for a duplicate.
        let message_id = format!("replay-{sequence}-{:08x}", rand::random::<u32>());
        again.insert(async_nats::header::NATS_MESSAGE_ID, message_id.as_str());
        jetstream.publish_with_headers(subject, again, letter.payload.clone()).await?.await?;
        stream.delete_message(sequence).await?;
        letter.ack().await.map_err(|error| anyhow::anyhow!("cannot acknowledge a dead letter: {error}"))?;
        replayed += 1;
    }
    Ok(replayed)
}

/// Options of a service's `dead-letters` command.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Publish them again as the facts they were, instead of only counting them.
    #[arg(long)]
    replay: bool,
    /// Only those of this consumer, such as tickets-order_paid.
    #[arg(long)]
    consumer: Option<String>,
    /// NATS servers, separated by commas.
    #[arg(long, env = "LIVEHOUSE_NATS_URL", default_value = "nats://127.0.0.1:4222", hide_env_values = true)]
    nats_url: String,
}

/// Counts or replays dead letters and says how many.
pub async fn command(options: Options) -> anyhow::Result<()> {
    use std::io::Write;
    let client = super::connect(&options.nats_url, "dead-letters", crate::health::Health::default()).await?;
    let jetstream = super::ensure_streams(&client).await?;
    let mut out = std::io::stdout();
    if options.replay {
        writeln!(
            out,
            "{} dead letters were replayed",
            replay(&jetstream, options.consumer.as_deref()).await?
        )?;
    } else {
        writeln!(out, "{} dead letters", count(&jetstream).await?)?;
    }
    Ok(())
}
