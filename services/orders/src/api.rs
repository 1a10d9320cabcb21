//! How orders are asked for and shown: the only RES of this service.

mod error;
pub mod mine;
pub mod new;
pub mod order;

use livehouse_contract::path;
use livehouse_platform::lease::PostgresLease;
use livehouse_platform::telemetry::watched;
use res_service::{Builder, Service, StartError};

use crate::checkout::Checkout;

/// Buckets of names that are owned apart from each other.
const OWNER_BUCKETS: u32 = 16;

/// Starts answering.
pub async fn start(
    client: async_nats::Client,
    replica: &str,
    checkout: &Checkout,
) -> Result<Service, StartError> {
    let builder = Builder::new(path::ORDERS)
        .replica(replica)
        .lease(PostgresLease::new(checkout.pool.clone()))
        .busy_error(error::busy())
        .resource(new::resource(checkout))
        .resource(order::resource(checkout))
        .resource(mine::resource(checkout));
    watched(builder).start(client).await
}
