//! `service.tickets.hold.claim`: another service binds a hold to its order. No browser reaches this subject.

use std::sync::Arc;

use futures::StreamExt;
use livehouse_contract::path;
use livehouse_contract::request::{CLAIM_HOLD, ClaimHold, ClaimHoldAnswer, ClaimedHold};
use livehouse_platform::telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Context;
use crate::domain::command::{Command, Outcome};

/// Claims in flight.
const CONCURRENT_MAX: usize = 1_024;

/// Answers claims until `stop`, together with the other replicas.
pub async fn serve(
    client: async_nats::Client,
    context: Context,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut requests = client.queue_subscribe(CLAIM_HOLD, path::TICKETS.to_owned()).await?;
    client.flush().await?;
    let places = Arc::new(Semaphore::new(CONCURRENT_MAX));
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            message = requests.next() => message,
        };
        let Some(message) = message else { return Ok(()) };
        let Some(reply) = message.reply else { continue };
        let place = places.clone().acquire_owned().await?;
        let (client, context) = (client.clone(), context.clone());
        let span = tracing::debug_span!(parent: None, "claim", otel.kind = "server", trace_id = Empty);
        let span = telemetry::continued(span, telemetry::of_headers(message.headers.as_ref()));
        let answering = async move {
            let answer = answer(&context, &message.payload).await;
            drop(place);
            let sent = match serde_json::to_vec(&answer) {
                Ok(payload) => client.publish(reply, payload.into()).await.map_err(anyhow::Error::new),
                Err(error) => Err(anyhow::Error::new(error)),
            };
            if let Err(error) = sent {
                tracing::warn!(error = format!("{error:#}"), "a claim could not be answered");
            }
        };
        tokio::spawn(answering.instrument(span));
    }
}

async fn answer(context: &Context, payload: &[u8]) -> ClaimHoldAnswer {
    let claim: ClaimHold = match serde_json::from_slice(payload) {
        Ok(claim) => claim,
        Err(error) => {
            tracing::error!(%error, "a claim could not be read");
            return ClaimHoldAnswer::NotActive;
        }
    };
    let command = Command::Claim { hold: claim.hold, buyer: claim.buyer, order: claim.order };
    match context.inventory.ask(command).await {
        Ok(Outcome::Done(hold)) => match context.catalogue.numbered(hold.event) {
            Some(event) => ClaimHoldAnswer::Claimed(ClaimedHold {
                event: event.row.id,
                event_name: event.row.name.clone(),
                lines: event.lines(&hold),
                total: event.total(&hold),
                expires_at: hold.expires_at,
                version: hold.version,
            }),
            None => ClaimHoldAnswer::Busy,
        },
        Ok(Outcome::Refused(_)) => ClaimHoldAnswer::NotActive,
        Err(_) => ClaimHoldAnswer::Busy,
    }
}
