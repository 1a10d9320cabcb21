//! Failures of handlers: which pass by themselves, and how often one fact failed for a reason that does not.

use std::error::Error as StdError;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::PoolError;
use lru::LruCache;
use tokio_postgres::error::{DbError, SqlState};

/// Facts of one consumer whose failures are remembered. The broker has far fewer in flight.
const FACTS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// A handler's word that a fact could not be handled *now*: the service is busy, or something it needs is away. The fact
/// comes again, however often, and is never given up for it.
///
/// ```
/// # use livehouse_platform::bus::consumer::NotNow;
/// # fn ask() -> Result<(), std::io::Error> { Ok(()) }
/// # fn handler() -> anyhow::Result<()> {
/// ask().map_err(NotNow::because)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("this cannot be done now")]
pub struct NotNow(#[source] Box<dyn StdError + Send + Sync>);

impl NotNow {
    /// With what was in the way.
    pub fn because(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Does this failure pass by itself? Whatever is not known to pass counts as wrong, so that nothing turns for ever.
pub(super) fn passes_by_itself(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<NotNow>()
            || cause.is::<tokio::time::error::Elapsed>()
            || cause.is::<PoolError>()
            || cause.downcast_ref::<std::io::Error>().is_some_and(io_passes)
            || cause.downcast_ref::<DbError>().is_some_and(|error| state_passes(error.code()))
            || cause
                .downcast_ref::<tokio_postgres::Error>()
                .is_some_and(|error| error.is_closed() || error.code().is_some_and(state_passes))
    })
}

/// Connections that cannot be made or break. A value that cannot be encoded is an I/O error as well, and stays wrong.
fn io_passes(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Unsupported};
    !matches!(error.kind(), InvalidData | InvalidInput | Unsupported)
}

/// What PostgreSQL says of itself and not of the statement, by class: 08 the connection, 40 rolled back for the sake of
/// others, 53 no resources, 57P0 shutting down or starting, 58 the system around it.
fn state_passes(state: &SqlState) -> bool {
    let code = state.code();
    ["08", "40", "53", "57P0", "58"].iter().any(|class| code.starts_with(class))
        || [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::QUERY_CANCELED,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(state)
}

/// How often each fact failed for a reason that does not pass, by its place in the stream.
///
/// The broker's own count cannot tell: it counts every delivery, also those of an outage. So each replica counts what it
/// saw itself. A fact is therefore given up after the limit's failures *at one replica*: with several of them, or after
/// a restart, it may be tried that many times more often. That is still a limit, and nothing has to be written for it.
pub(super) struct Failures(Mutex<LruCache<u64, u32>>);

impl Failures {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(FACTS_MAX)))
    }

    /// Counts one more failure and answers how many there were.
    pub(super) fn count(&self, position: u64) -> u32 {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.get_or_insert_mut(position, || 0);
        *count += 1;
        *count
    }

    /// The fact is done with.
    pub(super) fn forget(&self, position: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop(&position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_what_is_wrong() {
        use std::io::{Error, ErrorKind};
        let busy =
            anyhow::Error::new(NotNow::because("the inventory is busy")).context("a hold was not sold");
        assert!(passes_by_itself(&busy));
        assert!(passes_by_itself(&anyhow::Error::new(Error::from(ErrorKind::ConnectionRefused))));
        assert!(passes_by_itself(&anyhow::Error::new(PoolError::Closed)));
        assert!(!passes_by_itself(&anyhow::Error::new(Error::new(ErrorKind::InvalidInput, "a zero byte"))));
        assert!(!passes_by_itself(&anyhow::anyhow!("the order is not there")));
    }

    #[test]
    fn the_states_of_a_database_that_is_away_or_overloaded_pass_and_those_of_a_wrong_statement_do_not() {
        for passing in
            ["57P01", "57P03", "53300", "53100", "40001", "40P01", "08006", "55P03", "57014", "25006"]
        {
            assert!(state_passes(&SqlState::from_code(passing)), "{passing}");
        }
        for wrong in ["23505", "23514", "22P05", "42703", "P0001", "XX000"] {
            assert!(!state_passes(&SqlState::from_code(wrong)), "{wrong}");
        }
    }
}
