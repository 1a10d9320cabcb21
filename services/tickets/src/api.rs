//! How the inventory is asked and shown: RES resources, and the one request of another service.
//!
//! A file here stands where its resource stands in the tree of names: `tickets.event.$event.section.$section` is
//! `api/event/section.rs`.

pub mod claim;
pub mod error;
pub mod event;
pub mod events;
pub mod hold;
pub mod wish;

use std::sync::Arc;

use deadpool_postgres::Pool;
use livehouse_contract::path;
use livehouse_platform::lease::PostgresLease;
use livehouse_platform::telemetry::watched;
use res_service::{Builder, OwnedKey, Service, StartError};

use crate::catalogue::Catalogue;
#[cfg(feature = "negative-controls")]
use crate::guard::Guard;
use crate::inventory::Inventory;
use crate::live::feed::{Views, leased_event};

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Commands go here.
    pub inventory: Inventory,
    /// Events and layouts.
    pub catalogue: Arc<Catalogue>,
    /// Live views of owned events.
    pub views: Arc<Views>,
    /// For reading what is not live.
    pub pool: Pool,
}

/// Starts answering. Resources of one event, and each hold, have one owner among the replicas.
pub async fn start(
    client: async_nats::Client,
    replica: &str,
    context: &Context,
) -> Result<Service, StartError> {
    let (opening, closing, known) = (context.views.clone(), context.views.clone(), context.catalogue.clone());
    let builder = owned(Builder::new(path::TICKETS).replica(replica), context)
        .busy_error(error::busy())
        .on_acquired(move |key: OwnedKey| {
            let views = opening.clone();
            async move {
                match leased_event(&key.key) {
                    Some(event) => views.open(event).await.map_err(Into::into),
                    None => Ok(()),
                }
            }
        })
        .on_lost(move |key: OwnedKey| {
            let views = closing.clone();
            async move {
                if let Some(event) = leased_event(&key.key) {
                    views.close(event);
                }
            }
        })
        .key_exists(move |key: String| {
            let catalogue = known.clone();
            async move {
                let Some(event) = leased_event(&key) else { return Ok(false) };
                if catalogue.event(event).is_none() {
                    catalogue.reload().await.map_err(error::internal)?;
                }
                Ok(catalogue.event(event).is_some())
            }
        });
    let resources =
        [events::resource(context), hold::resource(context)].into_iter().chain(event::resources(context));
    watched(resources.fold(builder, Builder::resource)).start(client).await
}

/// With the owners that the database knows.
fn owned(builder: Builder, context: &Context) -> Builder {
    #[cfg(feature = "negative-controls")]
    if Guard::OneOwner.is_off() {
        return builder.lease(crate::guard::EverybodyOwnsEverything);
    }
    builder.lease(PostgresLease::new(context.pool.clone()))
}
