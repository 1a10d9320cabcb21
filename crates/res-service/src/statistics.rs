//! Counters of everything the service does, cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! statistics {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What the service has done since it started. Each number is read with [`Statistic::get`], or all together with
        /// [`Statistics::snapshot`].
        #[derive(Debug, Default)]
        #[non_exhaustive]
        pub struct Statistics {
            $($(#[$doc])* pub $field: Statistic,)*
        }

        impl Statistics {
            /// Every counter with its name, for a metrics exporter.
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field.get()),)*]
            }
        }
    };
}

statistics! {
    /// Get requests received from gateways (and not from other replicas).
    get_requests,
    /// Call requests received.
    call_requests,
    /// Auth requests received.
    auth_requests,
    /// Access requests received.
    access_requests,
    /// Requests of query changes received.
    query_requests,
    /// Answers that were an error of any kind.
    error_replies,
    /// Answers that were `system.internalError`.
    internal_error_replies,
    /// Requests refused because as many as allowed were in work, or waited in their group, and calls that waited too long.
    busy_replies,
    /// Pre-responses that asked the gateway for more time.
    pre_responses,
    /// Handlers that panicked.
    handler_panics,
    /// Handlers that took longer than allowed and were dropped.
    handler_timeouts,
    /// `change`, `add`, `remove`, `delete` and `query` changes published.
    changes_published,
    /// Refreshes asked for.
    refreshes,
    /// Refreshes that were one with a refresh already waiting.
    refreshes_conflated,
    /// Refreshes whose handler failed (each is tried again a few times).
    refresh_failures,
    /// Gets handed to the owner.
    forwards_sent,
    /// Gets taken over from other replicas.
    forwards_taken,
    /// Forwards and hints that the supposed owner refused or did not acknowledge.
    forwards_refused,
    /// Gets that found no owner in time.
    ownerless_gets,
    /// `system.reset` messages published.
    resets_published,
    /// Lease keys acquired.
    keys_acquired,
    /// Lease keys lost, released or expired.
    keys_lost,
    /// Rounds of the lease that failed.
    lease_failures,
    /// Resources whose last published state is remembered, at this moment.
    remembered,
    /// Remembered states given up because there were too many.
    remembered_evicted,
    /// Times the connection to NATS came back.
    reconnects,
}

/// A number that only the service changes.
#[derive(Debug, Default)]
pub struct Statistic(AtomicU64);

impl Statistic {
    /// The number of now. What is read one after the other need not fit together, as the service goes on meanwhile.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

pub(crate) fn count(statistic: &Statistic) {
    statistic.0.fetch_add(1, Ordering::Relaxed);
}
