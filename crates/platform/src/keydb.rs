//! KeyDB (or Valkey, or Redis): what may be lost. Every use has a short deadline and goes on without it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::health::{Condition, Health};

/// The longest that anything waits for KeyDB. What it holds is never worth more.
const ANSWER_DEADLINE: Duration = Duration::from_millis(100);
/// How often it is asked whether it is there.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// This process was told of no KeyDB: nothing was ever kept there.
    #[error("no KeyDB is configured")]
    NotConfigured,
    /// It is away, slow, or answered with an error. What it holds is not known now.
    #[error("KeyDB did not answer within {ANSWER_DEADLINE:?}")]
    Silent,
}

/// A connection that may not be there. Cheap to clone.
#[derive(Clone, Default)]
pub struct KeyDb {
    is_configured: bool,
    connection: Arc<RwLock<Option<ConnectionManager>>>,
}

impl KeyDb {
    /// Connects in the background and keeps the condition of `keydb` in `health` true until `stop`. Without a
    /// URL it is degraded from the start and stays so.
    #[must_use]
    pub fn connect(url: Option<&str>, health: Health, stop: CancellationToken) -> Self {
        let keydb = Self { is_configured: url.is_some(), ..Self::default() };
        health.set("keydb", Condition::Degraded);
        let Some(client) = url.and_then(|url| {
            redis::Client::open(url)
                .inspect_err(|error| tracing::error!(%error, "the KeyDB URL is not valid"))
                .ok()
        }) else {
            return keydb;
        };
        let kept = keydb.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PROBE_INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stop.cancelled() => return,
                }
                let condition = if kept.probe(&client).await { Condition::Up } else { Condition::Degraded };
                health.set("keydb", condition);
            }
        });
        keydb
    }

    async fn probe(&self, client: &redis::Client) -> bool {
        if self.connection.read().await.is_none() {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(Duration::from_secs(1)))
                .set_response_timeout(Some(ANSWER_DEADLINE))
                .set_number_of_retries(1);
            let connecting = ConnectionManager::new_with_config(client.clone(), config);
            if let Ok(Ok(manager)) = tokio::time::timeout(Duration::from_secs(2), connecting).await {
                *self.connection.write().await = Some(manager);
            }
        }
        self.ask::<String>(&redis::cmd("PING")).await.is_some()
    }

    /// The answer to `command`, or nothing if KeyDB is away, slow, or answers with an error.
    pub async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        self.answer(command).await.ok()
    }

    /// The answer to `command`, or why there is none: for who must tell "it is not there" from "it cannot be asked".
    pub async fn answer<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Unanswered> {
        if !self.is_configured {
            return Err(Unanswered::NotConfigured);
        }
        let connection = self.connection.read().await.clone();
        let mut connection = connection.ok_or(Unanswered::Silent)?;
        match tokio::time::timeout(ANSWER_DEADLINE, command.query_async::<T>(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Unanswered::Silent),
        }
    }
}
