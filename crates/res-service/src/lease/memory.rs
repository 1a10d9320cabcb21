//! Leases for services that live in one process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::share::Table;
use super::{Holding, Lease};
use crate::error::BoxError;

/// A lease shared by services of the same process: clone it into each. For tests and for trying things out.
#[derive(Clone)]
pub struct MemoryLease {
    time_to_live: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    table: Table,
    seen: HashMap<String, Instant>,
}

impl MemoryLease {
    /// A lease whose holdings are good for this long.
    #[must_use]
    pub fn new(time_to_live: Duration) -> Self {
        Self { time_to_live, state: Arc::default() }
    }
}

impl Lease for MemoryLease {
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gone: BTreeSet<String> = state
            .seen
            .iter()
            .filter(|(_, seen)| now - **seen >= self.time_to_live)
            .map(|(name, _)| name.clone())
            .collect();
        state.seen.retain(|name, _| !gone.contains(name));
        state.table.forget(&gone);
        state.seen.insert(replica.to_owned(), now);
        Ok(state.table.round(replica, keys))
    }

    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.table.release(replica, keys);
        Ok(())
    }

    fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    async fn surrender(&self, replica: &str) -> Result<Vec<String>, BoxError> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).table.surplus(replica))
    }
}

impl std::fmt::Debug for MemoryLease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MemoryLease")
            .field("time_to_live", &self.time_to_live)
            .finish_non_exhaustive()
    }
}
