//! Forgetting requests that nobody repeats any more, so that their table does not grow for ever.

use std::time::Duration;

use deadpool_postgres::Pool;
use livehouse_platform::retry::Backoff;
use tokio_util::sync::CancellationToken;

use crate::store::request as store;

/// How often to look. Half of it is random, so that replicas take turns.
const INTERVAL: Duration = Duration::from_secs(600);
/// Requests forgotten in one transaction.
const REQUESTS_MAX: i64 = 5_000;

/// Forgets old requests until `stop`.
pub async fn run(pool: Pool, stop: CancellationToken) {
    loop {
        let pause = match store::forget(&pool, REQUESTS_MAX).await {
            Ok(forgotten) if forgotten as i64 == REQUESTS_MAX => Duration::from_millis(200),
            Ok(_) => Backoff::new(INTERVAL, INTERVAL).next_delay(),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "old requests could not be forgotten");
                Backoff::new(INTERVAL, INTERVAL).next_delay()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
