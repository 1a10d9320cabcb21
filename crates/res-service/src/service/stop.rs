//! The end of a service.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Service;
use crate::dispatch;
use crate::error::Error;
use crate::rounds;

impl Service {
    /// Stops the service: takes no new requests, finishes those in work, gives the leases back and makes sure that
    /// everything is out. Who calls it again waits until the first call has ended, however it did.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when the deadline has passed, with how many requests were in work (handlers that still run
    /// then go on, and may answer late; calls that wait for their turn fail when it comes), or when the server does not echo at the end. The service is stopped either way.
    pub async fn stop(&self, deadline: Duration) -> Result<(), Error> {
        // Before anybody is woken: who takes requests looks at this when woken, and at nothing else.
        self.inner.is_stopping.store(true, Ordering::Release);
        if self.inner.stopping.change(|_| true) {
            let ended = tokio::time::timeout(deadline, self.inner.ended.wait_for(|ended| ended)).await;
            return ended.map(drop).map_err(|_| self.not_finished(deadline));
        }
        let outcome = tokio::time::timeout(deadline, async {
            dispatch::drained(self).await;
            self.inner.calls.emptied().await;
            self.inner.accesses.emptied().await;
            // A busy owner would never be without any, if others went on handing them over.
            self.inner.is_leaving.store(true, Ordering::Release);
            self.inner.gets.emptied().await;
            self.groups().idle().await;
            self.hints_told().await;
            rounds::give_all_back(self, self.lease()).await;
            self.lives().settled().await;
            self.barrier().await
        });
        // Also when the caller no longer waits.
        let ending = Ending::new(self);
        let outcome = outcome.await.unwrap_or_else(|_| Err(self.not_finished(deadline)));
        drop(ending);
        outcome
    }

    fn not_finished(&self, deadline: Duration) -> Error {
        let left = self.inner.calls.taken() + self.inner.gets.taken() + self.inner.accesses.taken();
        Error::internal(format!(
            "the service did not finish within {deadline:?}; {left} requests were in work"
        ))
    }
}

/// Ends the service's own tasks.
pub(super) struct Ending(Option<Service>);

impl Ending {
    pub(super) fn new(service: &Service) -> Self {
        Self(Some(service.clone()))
    }

    /// The service lives.
    pub(super) fn not_yet(mut self) {
        self.0 = None;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(service) = &self.0 else { return };
        let inner = &service.inner;
        inner.stopped.store(true, Ordering::Release);
        for task in std::mem::take(&mut *inner.tasks.lock().unwrap_or_else(PoisonError::into_inner)) {
            task.abort();
        }
        // What could not be given back runs out; what still prepares for it ends.
        inner.ownership.demote(&inner.ownership.held());
        inner.ended.change(|_| true);
    }
}
