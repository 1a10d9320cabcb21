//! Leases in a NATS key-value bucket.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::kv;
use bytes::Bytes;

use super::share::Table;
use super::{Holding, Lease};
use crate::error::BoxError;

/// The one entry of the bucket: the whole table, changed by compare-and-set.
const ENTRY: &str = "table";
/// How often a change is tried when other replicas change the table at the same time.
const TRIES_MAX: usize = 8;

/// A lease kept in NATS itself, in one entry of a key-value bucket: a round is one read and one write, however many
/// keys there are (tens of thousands fit into a message).
///
/// A replica counts its rounds in the table. Another takes it for gone when that count has stood still for the time
/// to live on its own clock, so the clocks of the replicas need not agree.
pub struct KvLease {
    store: kv::Store,
    time_to_live: Duration,
    seen: Mutex<HashMap<String, (u64, Instant)>>,
}

impl KvLease {
    /// Opens the bucket, making it if it is not there. One bucket serves one service.
    ///
    /// # Errors
    ///
    /// When JetStream does not answer, is not enabled, or may not be used.
    pub async fn new(
        jetstream: &jetstream::Context,
        bucket: impl Into<String>,
        time_to_live: Duration,
    ) -> Result<Self, BoxError> {
        let bucket = bucket.into();
        let store = match jetstream.get_key_value(&bucket).await {
            Ok(store) => store,
            Err(_) => {
                jetstream.create_key_value(kv::Config { bucket, history: 1, ..Default::default() }).await?
            }
        };
        Ok(Self { store, time_to_live, seen: Mutex::default() })
    }

    /// Replicas whose count has stood still for the time to live since this process first saw it.
    fn gone(&self, table: &Table) -> BTreeSet<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        seen.retain(|replica, _| table.replicas.contains_key(replica));
        let stands_still = |(replica, count): (&String, &u64)| {
            let entry = seen.entry(replica.clone()).or_insert((*count, now));
            if entry.0 != *count {
                *entry = (*count, now);
            }
            (now - entry.1 >= self.time_to_live).then(|| replica.clone())
        };
        table.replicas.iter().filter_map(stands_still).collect()
    }

    /// Reads, changes and writes the table, again if another replica was faster.
    async fn change<T>(&self, mut change: impl FnMut(&mut Table) -> T + Send) -> Result<T, BoxError> {
        for attempt in 1.. {
            let entry = self.store.entry(ENTRY).await?.filter(|entry| entry.operation == kv::Operation::Put);
            let (mut table, revision) = match &entry {
                Some(entry) => (serde_json::from_slice::<Table>(&entry.value)?, entry.revision),
                None => (Table::default(), 0),
            };
            let gone = self.gone(&table);
            table.forget(&gone);
            let outcome = change(&mut table);
            let json = Bytes::from(serde_json::to_vec(&table)?);
            match self.store.update(ENTRY, json, revision).await {
                Ok(_) => return Ok(outcome),
                Err(error)
                    if attempt >= TRIES_MAX || error.kind() != kv::UpdateErrorKind::WrongLastRevision =>
                {
                    return Err(error.into());
                }
                // Waiting unequally long lets one of the others finish first.
                Err(_) => {
                    tokio::time::sleep(crate::jitter::spread(Duration::from_millis(5 * attempt as u64))).await
                }
            }
        }
        Err("the lease table was changed by others too often".into())
    }
}

impl Lease for KvLease {
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        self.change(|table| table.round(replica, keys)).await
    }

    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError> {
        self.change(|table| table.release(replica, keys)).await
    }

    fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    async fn surrender(&self, replica: &str) -> Result<Vec<String>, BoxError> {
        let Some(entry) = self.store.entry(ENTRY).await? else { return Ok(Vec::new()) };
        if entry.operation != kv::Operation::Put {
            return Ok(Vec::new());
        }
        Ok(serde_json::from_slice::<Table>(&entry.value)?.surplus(replica))
    }
}

impl std::fmt::Debug for KvLease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KvLease")
            .field("bucket", &self.store.name)
            .field("time_to_live", &self.time_to_live)
            .finish_non_exhaustive()
    }
}
