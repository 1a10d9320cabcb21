//! Telling the owner of an order's live resources that they may have changed. A lost message costs a late view, so
//! what is still moving is refreshed again by [`crate::tick`].

use futures::StreamExt;
use livehouse_contract::id::{BuyerId, OrderId};
use livehouse_contract::path;
use res_service::Service;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

const SUBJECT: &str = "live.orders";

/// An order that changed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Changed {
    /// The order.
    pub order: OrderId,
    /// Whose it is.
    pub buyer: BuyerId,
}

/// Announces a committed change to whichever replica owns the order's resources.
pub async fn announce(client: &async_nats::Client, changed: Changed) {
    let Ok(payload) = serde_json::to_vec(&changed) else { return };
    if let Err(error) = client.publish(SUBJECT, payload.into()).await {
        tracing::warn!(%error, order.id = %changed.order, "a change could not be announced");
    }
}

/// Refreshes announced orders until `stop`.
pub async fn listen(
    client: async_nats::Client,
    service: Service,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut changes = client.subscribe(SUBJECT).await?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(message) = changes.next() => {
                if let Ok(changed) = serde_json::from_slice::<Changed>(&message.payload) {
                    refresh(&service, changed);
                }
            }
            else => return Ok(()),
        }
    }
}

fn refresh(service: &Service, changed: Changed) {
    for resource in [path::order(changed.order), path::orders_of(changed.buyer)] {
        if let Err(error) = service.try_refresh(resource) {
            tracing::error!(%error, order.id = %changed.order, "an order could not be refreshed");
        }
    }
}
