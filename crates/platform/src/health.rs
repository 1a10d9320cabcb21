//! Is the process alive, is it ready, and how are its parts? Served on the private port with the metrics.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use livehouse_contract::metric;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::options::Common;
use crate::telemetry;

/// How one part of the service's world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// As it should be.
    Up,
    /// Missing, but the service does its work without it.
    Degraded,
    /// Missing, and the service cannot do its work.
    Down,
}

/// What is known of all parts. Cheap to clone; all clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<&'static str, Condition>>>,
}

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// No part is down.
    pub ready: bool,
    /// Every part and its condition.
    pub parts: BTreeMap<&'static str, Condition>,
}

impl Health {
    /// Everything named in `parts` counts as down until it says otherwise.
    #[must_use]
    pub fn awaiting(parts: &[&'static str]) -> Self {
        let health = Self::default();
        for part in parts {
            health.set(part, Condition::Down);
        }
        health
    }

    /// Notes the condition of a part, and logs a change of it.
    pub fn set(&self, part: &'static str, condition: Condition) {
        let before =
            self.parts.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(part, condition);
        if before != Some(condition) {
            tracing::info!(part, condition = ?condition, "part changed its condition");
        }
        let up = if condition == Condition::Up { 1.0 } else { 0.0 };
        telemetry::set(&metric::PART_UP, up, &[telemetry::label("part", part)]);
    }

    /// All parts as they are now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let parts = self.parts.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        Readiness { ready: parts.values().all(|condition| *condition != Condition::Down), parts }
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// The routes `/healthz`, `/readyz` and `/metrics`.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(|| async { telemetry::page() }))
        .with_state(health)
}

/// Serves [`routes`] on the private address until `stop`; answers the address that was bound.
pub async fn serve(options: &Common, health: Health, stop: CancellationToken) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(options.http_bind)
        .await
        .with_context(|| format!("cannot listen on {}: choose another --http-bind", options.http_bind))?;
    let address = listener.local_addr()?;
    announce(options, address)?;
    tokio::spawn(async move {
        let served =
            axum::serve(listener, routes(health)).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the private HTTP port failed");
        }
    });
    Ok(address)
}

/// Writes the bound address where the starter of this process looks for it; complete or not at all.
pub fn announce(options: &Common, address: SocketAddr) -> anyhow::Result<()> {
    if let Some(file) = &options.http_address_file {
        let partial = file.with_extension("partial");
        std::fs::write(&partial, format!("{address}\n"))
            .and_then(|()| std::fs::rename(&partial, file))
            .with_context(|| format!("cannot write the address file {}", file.display()))?;
    }
    tracing::info!(%address, "private HTTP port is open");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degraded_part_leaves_the_service_ready_and_a_missing_one_does_not() {
        let health = Health::awaiting(&["postgres", "keydb"]);
        assert!(!health.readiness().ready);
        health.set("postgres", Condition::Up);
        health.set("keydb", Condition::Degraded);
        assert!(health.readiness().ready);
        health.set("postgres", Condition::Down);
        assert!(!health.readiness().ready);
    }
}
