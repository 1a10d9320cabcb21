//! Who owns what among the replicas of a service.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::BoxError;

mod key_value;
mod memory;
pub(crate) mod share;

pub use key_value::KvLease;
pub use memory::MemoryLease;

/// One key and the replica that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The lease key, e.g. `event.evt_1`.
    pub key: String,
    /// The name of the replica.
    pub holder: String,
    /// Grows with every change of the holder, so that what an earlier holder wrote can be told apart.
    pub epoch: u64,
}

/// A store of leases shared by the replicas of one service.
///
/// What it must guarantee: a key that [`Lease::round`] says is held by a replica is given to nobody else before
/// [`Lease::time_to_live`] has passed since that round *was asked*, unless the replica released it.
#[async_trait]
pub trait Lease: Send + Sync + 'static {
    /// One round of ownership: renews what `replica` holds, takes its fair share of what is free among `keys`, and
    /// answers who holds every key of `keys` that is held.
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError>;

    /// Gives keys back at once. Called when the replica no longer publishes anything for them. Keys that it does not
    /// hold are passed over.
    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError>;

    /// How long a holding is good for after the round that gave it was asked.
    fn time_to_live(&self) -> Duration;

    /// Keys that `replica` holds beyond its fair share and should hand over to others that have less. The library
    /// stops publishing for them and then calls [`Lease::release`]. By default none: shares even out as replicas come
    /// and go.
    async fn surrender(&self, replica: &str) -> Result<Vec<String>, BoxError> {
        let _ = replica;
        Ok(Vec::new())
    }
}

/// The lease of a service with one process: everything is its own, for good.
pub(crate) struct Everything;

#[async_trait]
impl Lease for Everything {
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        Ok(keys
            .iter()
            .map(|key| Holding { key: key.clone(), holder: replica.to_owned(), epoch: 1 })
            .collect())
    }

    async fn release(&self, _: &str, _: &[String]) -> Result<(), BoxError> {
        Ok(())
    }

    fn time_to_live(&self) -> Duration {
        Duration::from_secs(365 * 24 * 60 * 60)
    }
}
