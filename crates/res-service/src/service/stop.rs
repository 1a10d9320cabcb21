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
    /// everything is out. What is not done by the deadline is dropped, which the error tells.
    ///
    /// # Errors
    ///
    /// [`Error::INTERNAL_ERROR`] when the deadline has passed, with how many requests were dropped, or when the server does
    /// not echo at the end. The service is stopped either way.
    pub async fn stop(&self, deadline: Duration) -> Result<(), Error> {
        self.inner.is_stopping.store(true, Ordering::Release);
        if self.inner.stopping.change(|_| true) {
            return Ok(());
        }
        let outcome = tokio::time::timeout(deadline, async {
            dispatch::drained(self).await;
            self.inner.calls.emptied().await;
            self.inner.accesses.emptied().await;
            self.inner.gets.emptied().await;
            self.groups().idle().await;
            self.hints_told().await;
            rounds::give_back(self, self.lease(), &self.ownership().held()).await;
            self.lives().settled().await;
            self.barrier().await
        });
        // Also when the caller no longer waits.
        let ending = Ending(self);
        let outcome = outcome.await.unwrap_or_else(|_| {
            let left = self.inner.calls.taken() + self.inner.gets.taken() + self.inner.accesses.taken();
            Err(Error::internal(format!(
                "the service did not finish within {deadline:?}; {left} requests were dropped"
            )))
        });
        drop(ending);
        outcome
    }
}

/// Ends the service's own tasks.
struct Ending<'a>(&'a Service);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let inner = &self.0.inner;
        inner.stopped.store(true, Ordering::Release);
        for task in std::mem::take(&mut *inner.tasks.lock().unwrap_or_else(PoisonError::into_inner)) {
            task.abort();
        }
    }
}
