//! Whoever is told of alerts: a server on this machine's end of the wires, whose address the stack has as its webhook.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::{Json, Router, extract::State, routing::post};
use livehouse_testkit::try_wait_until;
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

use crate::{network, say};

/// More than one evening of drills can bring.
const ALERTS_MAX: usize = 1_000;

/// One alert of a message, as Alertmanager writes it.
#[derive(Debug, Deserialize)]
struct Alert {
    /// `firing` or `resolved`.
    status: String,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    alerts: Vec<Alert>,
}

type Heard = Arc<Mutex<Vec<Alert>>>;

/// Listens as long as it lives.
#[derive(Debug)]
pub(super) struct Webhook {
    heard: Heard,
    _server: AbortOnDropHandle<()>,
}

impl Webhook {
    pub(super) async fn listen() -> anyhow::Result<Webhook> {
        let heard = Heard::default();
        let router = Router::new().route("/alerts", post(hear)).with_state(heard.clone());
        let listener = tokio::net::TcpListener::bind((network::HOST, network::ALERTS_PORT))
            .await
            .with_context(|| format!("listen at {}", network::alerts_url()))?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                say::line(&format!("    nobody hears alerts any more: {error}"));
            }
        });
        Ok(Webhook { heard, _server: AbortOnDropHandle::new(server) })
    }

    /// Waits until an alert of this name about this service is told as `firing` or `resolved`; says how long that took.
    pub(super) async fn until_told(
        &self,
        (alert, service): (&str, &str),
        status: &str,
        deadline: Duration,
    ) -> anyhow::Result<Duration> {
        let started = Instant::now();
        try_wait_until(&format!("somebody is told that {alert} is {status}"), deadline, || async {
            let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let is_it = |told: &Alert| {
                let label = |name: &str| told.labels.get(name).map(String::as_str);
                told.status == status
                    && label("alertname") == Some(alert)
                    && label("service_name") == Some(service)
            };
            if heard.iter().any(is_it) { Ok(()) } else { Err(format!("told of {heard:?}")) }
        })
        .await
        .map_err(anyhow::Error::msg)?;
        Ok(started.elapsed())
    }
}

async fn hear(State(heard): State<Heard>, Json(message): Json<Message>) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let room = ALERTS_MAX.saturating_sub(heard.len());
    if message.alerts.len() > room {
        say::line(&format!("    {ALERTS_MAX} alerts were heard: the rest is left out"));
    }
    heard.extend(message.alerts.into_iter().take(room));
}
