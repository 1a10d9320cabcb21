//! The outbox: a fact is written in the transaction that makes it true, and published afterwards.
//!
//! A crash between the two loses nothing, a rollback publishes nothing, and a broker that is away only makes the
//! outbox longer. Several replicas relay side by side: each takes rows the others have not locked.
//!
//! The service's migration makes the table:
//!
//! ```sql
//! create table outbox (
//!     number bigint generated always as identity constraint outbox_pkey primary key,
//!     fact uuid not null,
//!     subject text not null,
//!     payload text not null,
//!     written_at timestamptz not null default now()
//! );
//! ```

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use deadpool_postgres::Pool;
use futures::future::try_join_all;
use livehouse_contract::fact::Fact;
use livehouse_contract::id::FactId;
use tokio::sync::Notify;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::FACT_ID_HEADER;
use crate::retry::Backoff;

/// Rows relayed in one transaction.
const BATCH_ROWS_MAX: i64 = 256;
/// How long a written fact may lie when nobody rang: another replica may have crashed after its commit.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The longest that one batch waits for the stream's acknowledgements.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(5);

/// The statement that [`Facts::write`] runs, for callers that prepare ahead.
pub const APPEND: &str =
    "insert into outbox (fact, subject, payload) select * from unnest($1::uuid[], $2::text[], $3::text[])";
const TAKE: &str = "delete from outbox where number in \
    (select number from outbox order by number limit $1 for update skip locked) returning number, fact, subject, payload";

/// Facts of one transaction, written with one statement.
#[derive(Debug, Default)]
pub struct Facts {
    ids: Vec<uuid::Uuid>,
    subjects: Vec<&'static str>,
    payloads: Vec<String>,
}

impl Facts {
    /// Adds a fact.
    pub fn push<F: Fact>(&mut self, fact: &F) -> Result<(), serde_json::Error> {
        self.payloads.push(serde_json::to_string(fact)?);
        self.ids.push(FactId::generate().as_uuid());
        self.subjects.push(F::SUBJECT);
        Ok(())
    }

    /// Is there nothing to write?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Writes the facts into the outbox of the transaction `client`.
    pub async fn write(
        &self,
        client: &impl deadpool_postgres::GenericClient,
    ) -> Result<(), tokio_postgres::Error> {
        if !self.is_empty() {
            let statement = client.prepare_cached(APPEND).await?;
            client.execute(&statement, &[&self.ids, &self.subjects, &self.payloads]).await?;
        }
        Ok(())
    }
}

/// Rings the relay after a commit, so that facts leave at once.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// There may be something in the outbox.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

/// Relays the outbox of `pool`'s database to JetStream until `stop`; what is in it then is left for the next
/// process.
pub async fn relay(pool: Pool, jetstream: jetstream::Context, bell: Bell, stop: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
    loop {
        let pause = match relay_batch(&pool, &jetstream).await {
            Ok(0) => LOOK_INTERVAL,
            Ok(rows) => {
                metrics::counter!("livehouse_outbox_published_total").increment(rows);
                backoff.reset();
                continue_at_once(rows)
            }
            Err(error) => {
                metrics::counter!("livehouse_outbox_failures_total").increment(1);
                tracing::warn!(
                    error = format!("{error:#}"),
                    "facts wait in the outbox: they could not be published"
                );
                backoff.next_delay()
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = bell.0.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A full batch means that more is waiting.
const fn continue_at_once(rows: u64) -> Duration {
    if rows as i64 >= BATCH_ROWS_MAX { Duration::ZERO } else { LOOK_INTERVAL }
}

async fn relay_batch(pool: &Pool, jetstream: &jetstream::Context) -> anyhow::Result<u64> {
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await?;
    let statement = transaction.prepare_cached(TAKE).await?;
    let mut rows = transaction.query(&statement, &[&BATCH_ROWS_MAX]).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    rows.sort_by_key(|row| row.get::<_, i64>("number"));
    tokio::time::timeout(PUBLISH_DEADLINE, publish(jetstream, &rows))
        .await
        .map_err(|_| anyhow::anyhow!("JetStream did not acknowledge within {PUBLISH_DEADLINE:?}"))??;
    transaction.commit().await?;
    Ok(rows.len() as u64)
}

async fn publish(jetstream: &jetstream::Context, rows: &[Row]) -> anyhow::Result<()> {
    let mut acknowledgements = Vec::with_capacity(rows.len());
    for row in rows {
        let fact = FactId::from_uuid(row.get("fact")).to_string();
        let mut headers = HeaderMap::new();
        // The stream drops a second message of the same id: a crash before our commit publishes twice.
        headers.insert(async_nats::header::NATS_MESSAGE_ID, fact.as_str());
        headers.insert(FACT_ID_HEADER, fact.as_str());
        let subject: String = row.get("subject");
        let payload: String = row.get("payload");
        let acknowledgement = jetstream.publish_with_headers(subject, headers, payload.into()).await?;
        acknowledgements.push(async move { acknowledgement.await });
    }
    try_join_all(acknowledgements).await?;
    Ok(())
}

/// Facts that wait to be published.
pub async fn waiting(pool: &Pool) -> anyhow::Result<i64> {
    let connection = pool.get().await?;
    Ok(connection.query_one("select count(*) from outbox", &[]).await?.get(0))
}
