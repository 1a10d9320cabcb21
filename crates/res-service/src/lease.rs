//! Who owns what among the replicas of a service.

use std::future::Future;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::BoxError;

#[cfg(feature = "kv-lease")]
mod key_value;
mod memory;
pub(crate) mod share;

#[cfg(feature = "kv-lease")]
pub use key_value::KvLease;
pub use memory::MemoryLease;
pub use share::fair_share;

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
///
/// An implementation writes its methods as `async fn`.
pub trait Lease: Send + Sync + 'static {
    /// One round of ownership: renews what `replica` holds, takes its fair share of what is free among `keys`, and
    /// answers who holds every key of `keys` that is held.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked: then nothing is known to be held longer than before.
    fn round(
        &self,
        replica: &str,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<Holding>, BoxError>> + Send;

    /// Gives keys back at once. Called when the replica no longer publishes anything for them. Keys that it does not
    /// hold are passed over. Without keys it says that a replica which holds nothing could not prepare what it was given,
    /// and should not count in the shares until its next round.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked: then the keys become free when their time has passed.
    fn release(&self, replica: &str, keys: &[String]) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// How long a holding is good for after the round that gave it was asked.
    fn time_to_live(&self) -> Duration;

    /// Keys that `replica` holds beyond its fair share and should hand over to others that have less. The library
    /// stops publishing for them and then calls [`Lease::release`]. By default none: shares even out as replicas come
    /// and go.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked: then nothing is handed over this time.
    fn surrender(&self, replica: &str) -> impl Future<Output = Result<Vec<String>, BoxError>> + Send {
        let _ = replica;
        std::future::ready(Ok(Vec::new()))
    }
}

/// Any [`Lease`], as the service keeps it.
pub(crate) trait AnyLease: Send + Sync + 'static {
    fn round<'a>(
        &'a self,
        replica: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Holding>, BoxError>>;
    fn release<'a>(&'a self, replica: &'a str, keys: &'a [String]) -> BoxFuture<'a, Result<(), BoxError>>;
    fn time_to_live(&self) -> Duration;
    fn surrender<'a>(&'a self, replica: &'a str) -> BoxFuture<'a, Result<Vec<String>, BoxError>>;
}

impl<L: Lease> AnyLease for L {
    fn round<'a>(
        &'a self,
        replica: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Holding>, BoxError>> {
        Lease::round(self, replica, keys).boxed()
    }

    fn release<'a>(&'a self, replica: &'a str, keys: &'a [String]) -> BoxFuture<'a, Result<(), BoxError>> {
        Lease::release(self, replica, keys).boxed()
    }

    fn time_to_live(&self) -> Duration {
        Lease::time_to_live(self)
    }

    fn surrender<'a>(&'a self, replica: &'a str) -> BoxFuture<'a, Result<Vec<String>, BoxError>> {
        Lease::surrender(self, replica).boxed()
    }
}

/// The lease of a service with one process: everything is its own, for good.
pub(crate) struct Everything;

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
