//! The bus: NATS for requests, JetStream for facts.
//!
//! Facts leave only through the [`outbox`], arrive through a [`consumer`], take effect once through the
//! [`inbox`], and when a consumer gives one up it becomes a [`dead_letter`].

pub mod consumer;
pub mod dead_letter;
pub mod inbox;
pub mod outbox;
pub mod storage;

use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream::{self, stream};
use livehouse_contract::{metric, path};
use tokio_util::sync::CancellationToken;

use crate::health::{Condition, Health};
use crate::telemetry;

/// Header that carries a fact's id, also when it is replayed under another message id.
pub const FACT_ID_HEADER: &str = "Livehouse-Fact-Id";

/// Facts are kept this long for new consumers and for rebuilding.
const FACT_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Dead letters are kept this long for somebody to look at them.
const DEAD_LETTER_AGE_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// A fact published again within this time is recognised by the stream itself.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Connects to NATS and keeps the condition of `nats` in `health` true. The first connection is retried in the
/// background, so a service may start before its broker. User and password are those of the first server in `url` that
/// has any (percent-encoded where they hold marks of a URL).
pub async fn connect(url: &str, name: &str, health: Health) -> anyhow::Result<async_nats::Client> {
    let servers: Vec<async_nats::ServerAddr> = url
        .split(',')
        .map(|server| server.trim().parse())
        .collect::<Result<_, _>>()
        .context("the NATS URL is not valid: expected nats://host:port[,nats://host:port]")?;
    // The client itself passes over what a URL says of a user.
    let account =
        servers.iter().find_map(|server| Some((decoded(server.username()?), decoded(server.password()?))));
    let options = match account {
        Some((user, password)) => async_nats::ConnectOptions::with_user_and_password(user, password),
        None => async_nats::ConnectOptions::new(),
    };
    let client = options
        .name(name)
        .retry_on_initial_connect()
        .ping_interval(Duration::from_secs(5))
        .request_timeout(Some(Duration::from_secs(5)))
        .subscription_capacity(65_536)
        .client_capacity(8_192)
        .reconnect_delay_callback(|tries| {
            // The first tries come at once; later ones are spread, so that not all services return together.
            if tries <= 1 {
                Duration::ZERO
            } else {
                Duration::from_millis(rand::random_range(50..=250)) * u32::try_from(tries.min(8)).unwrap_or(8)
            }
        })
        .event_callback(move |event| {
            let health = health.clone();
            async move {
                match event {
                    async_nats::Event::Connected => health.set("nats", Condition::Up),
                    async_nats::Event::Disconnected | async_nats::Event::Closed => {
                        health.set("nats", Condition::Down)
                    }
                    async_nats::Event::SlowConsumer(subscription) => {
                        tracing::warn!(
                            subscription,
                            "messages were dropped: a subscription is read too slowly"
                        );
                        telemetry::count(&metric::SLOW_CONSUMERS, 1, &[]);
                    }
                    other => tracing::debug!(event = %other, "NATS connection event"),
                }
            }
        })
        .connect(servers)
        .await
        .context("cannot connect to NATS")?;
    Ok(client)
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// How long [`ensure_streams`] waits for the broker: a command at a terminal should say that it is not there.
const STREAMS_DEADLINE: Duration = Duration::from_secs(60);

/// Waits until the broker is connected, or until `stop`: a service may start before its broker. Answers whether it is.
pub async fn until_connected(client: &async_nats::Client, stop: &CancellationToken) -> bool {
    let mut backoff = crate::retry::Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
    while client.connection_state() != async_nats::connection::State::Connected {
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
    true
}

/// Makes the streams of facts and dead letters, or brings those that are there to their configuration, with at least
/// `replicas` copies. Waits for the broker until `stop`, and answers nothing if that came first.
pub async fn streams(
    client: &async_nats::Client,
    replicas: u8,
    stop: &CancellationToken,
) -> Option<jetstream::Context> {
    let mut backoff = crate::retry::Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let made = tokio::select! {
            () = stop.cancelled() => return None,
            made = make_streams(client, replicas) => made,
        };
        match made {
            Ok(jetstream) => return Some(jetstream),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "waiting for JetStream"),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}

/// Like [`streams`] for who cannot be told to stop: waits for the broker up to a minute, then fails.
pub async fn ensure_streams(client: &async_nats::Client) -> anyhow::Result<jetstream::Context> {
    let never = CancellationToken::new();
    match tokio::time::timeout(STREAMS_DEADLINE, streams(client, 1, &never)).await {
        Ok(Some(jetstream)) => Ok(jetstream),
        Ok(None) | Err(_) => anyhow::bail!(
            "JetStream was not ready within {STREAMS_DEADLINE:?}: is the broker there, with JetStream switched on?"
        ),
    }
}

async fn make_streams(client: &async_nats::Client, replicas: u8) -> anyhow::Result<jetstream::Context> {
    let jetstream = jetstream::new(client.clone());
    let streams = [
        stream::Config {
            name: path::FACT_STREAM.to_owned(),
            subjects: vec![format!("{}.>", path::FACT_PREFIX)],
            max_age: FACT_AGE_MAX,
            duplicate_window: DUPLICATE_WINDOW,
            storage: stream::StorageType::File,
            num_replicas: replicas.into(),
            ..Default::default()
        },
        stream::Config {
            name: path::DEAD_LETTER_STREAM.to_owned(),
            subjects: vec![format!("{}.>", path::DEAD_LETTER_PREFIX)],
            max_age: DEAD_LETTER_AGE_MAX,
            storage: stream::StorageType::File,
            num_replicas: replicas.into(),
            ..Default::default()
        },
    ];
    for config in streams {
        storage::stream(&jetstream, config).await?;
    }
    Ok(jetstream)
}
