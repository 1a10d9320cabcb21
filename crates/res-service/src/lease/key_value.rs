//! Leases in a NATS key-value bucket.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
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
/// keys there are (tens of thousands fit into a message; a third less while one replica leaves most of them to others).
///
/// A replica counts its rounds in the table. Another takes it for gone when that count has stood still for the time
/// to live on its own clock, so the clocks of the replicas need not agree. Each has its own time to live written there, so
/// that they need not agree on that either, as while a new version is rolled out.
pub struct KvLease {
    store: kv::Store,
    time_to_live: Duration,
    seen: Mutex<HashMap<String, (u64, Instant)>>,
    /// The revision at which the table was found deleted, and when.
    deleted: Mutex<Option<(u64, Instant)>>,
    /// The longest that any replica has taken its holdings to be good, in milliseconds.
    longest: AtomicU64,
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
        let longest = AtomicU64::new(u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX));
        Ok(Self { store, time_to_live, seen: Mutex::default(), deleted: Mutex::default(), longest })
    }

    /// Replicas whose count has stood still for their time to live since this process first saw it.
    fn gone(&self, table: &Table) -> BTreeSet<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        seen.retain(|replica, _| table.replicas.contains_key(replica));
        let stands_still = |(replica, count): (&String, &u64)| {
            let entry = seen.entry(replica.clone()).or_insert((*count, now));
            if entry.0 != *count {
                *entry = (*count, now);
            }
            let time_to_live = table.time_to_live(replica).unwrap_or(self.time_to_live);
            (now - entry.1 >= time_to_live).then(|| replica.clone())
        };
        table.replicas.iter().filter_map(stands_still).collect()
    }

    /// A table in place of one that somebody has deleted, once all that was held by it has run out.
    fn begin_anew(&self, revision: u64) -> Result<Table, BoxError> {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        let found_at = match *deleted {
            Some((earlier, found_at)) if earlier == revision => found_at,
            _ => deleted.insert((revision, Instant::now())).1,
        };
        if found_at.elapsed() < Duration::from_millis(self.longest.load(Ordering::Relaxed)) {
            let bucket = &self.store.name;
            return Err(format!(
                "the table of leases in the bucket {bucket:?} was deleted; it is begun anew when what was held has run out"
            )
            .into());
        }
        // Above those of before, as no bucket was ever written so often with so many keys each time.
        Ok(Table { epoch: revision << 32, ..Table::default() })
    }

    /// Reads, changes and writes the table, again if another replica was faster.
    async fn change<T>(&self, mut change: impl FnMut(&mut Table) -> T + Send) -> Result<T, BoxError> {
        for attempt in 1.. {
            let entry = self.store.entry(ENTRY).await?;
            let (mut table, revision) = match &entry {
                Some(entry) if entry.operation == kv::Operation::Put => {
                    (serde_json::from_slice::<Table>(&entry.value)?, entry.revision)
                }
                Some(entry) => (self.begin_anew(entry.revision)?, entry.revision),
                None => (Table::default(), 0),
            };
            let longest = table.times_to_live.values().max().copied().unwrap_or_default();
            self.longest.fetch_max(longest, Ordering::Relaxed);
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
        self.change(|table| {
            table.note_time_to_live(replica, self.time_to_live);
            table.round(replica, keys)
        })
        .await
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
