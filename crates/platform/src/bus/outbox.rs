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
use std::time::{Duration, Instant};

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
/// Time between two batches when facts keep coming: they travel together then, and alone at once.
const BATCH_INTERVAL: Duration = Duration::from_millis(5);
/// Rows below the highest taken number that a look still covers. A transaction that took its numbers earlier than
/// others may commit after them; one that is later than this is found by the look of every [`LOOK_INTERVAL`].
/// Looking from the very beginning each time would walk over all rows taken since the last vacuum.
const LATE_ROWS_MAX: i64 = 4_096;
/// The longest that one batch waits for the stream's acknowledgements.
const PUBLISH_DEADLINE: Duration = Duration::from_secs(5);

/// The statement that [`Facts::write`] runs, for callers that prepare ahead.
pub const APPEND: &str =
    "insert into outbox (fact, subject, payload) select * from unnest($1::uuid[], $2::text[], $3::text[])";
/// Rows are found by their number and deleted by their place, whatever the planner thinks of the table's size.
const TAKE: &str = "delete from outbox where ctid = any (array(\
    select ctid from outbox where number > $1 order by number limit $2 for update skip locked)) \
    returning number, fact, subject, payload";
/// The plan is made while the table is nearly empty and kept when it is not, so it is told to use the index. And
/// nobody waits for the disk: a crash brings taken rows back, they are published again, and the stream and the
/// inbox know them by their ids.
const TAKE_SETTINGS: &str = "set local enable_seqscan = off; set local synchronous_commit = off";

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
    let mut looks = Looks::default();
    loop {
        let started = Instant::now();
        let pause = match relay_batch(&pool, &jetstream, looks.next_after(started)).await {
            Ok(batch) => {
                metrics::counter!("livehouse_outbox_published_total").increment(batch.rows);
                backoff.reset();
                looks.taken(&batch);
                if batch.is_full() { Duration::ZERO } else { LOOK_INTERVAL }
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
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BATCH_INTERVAL.saturating_sub(started.elapsed())) => {}
        }
    }
}

/// From which number on the outbox is looked at.
#[derive(Default)]
struct Looks {
    highest: i64,
    from_the_beginning_at: Option<Instant>,
}

impl Looks {
    /// The number after which the look at `now` begins.
    fn next_after(&mut self, now: Instant) -> i64 {
        if self.from_the_beginning_at.is_none_or(|at| now.duration_since(at) >= LOOK_INTERVAL) {
            self.from_the_beginning_at = Some(now);
            return 0;
        }
        self.highest - LATE_ROWS_MAX
    }

    fn taken(&mut self, batch: &Batch) {
        self.highest = self.highest.max(batch.highest);
    }
}

/// What was taken and published at once.
#[derive(Default)]
struct Batch {
    rows: u64,
    highest: i64,
}

impl Batch {
    /// A full batch means that more is waiting.
    const fn is_full(&self) -> bool {
        self.rows as i64 >= BATCH_ROWS_MAX
    }
}

async fn relay_batch(pool: &Pool, jetstream: &jetstream::Context, after: i64) -> anyhow::Result<Batch> {
    let mut connection = pool.get().await?;
    let transaction = connection.transaction().await?;
    transaction.batch_execute(TAKE_SETTINGS).await?;
    let statement = transaction.prepare_cached(TAKE).await?;
    let mut rows = transaction.query(&statement, &[&after, &BATCH_ROWS_MAX]).await?;
    if rows.is_empty() {
        return Ok(Batch::default());
    }
    rows.sort_by_key(|row| row.get::<_, i64>("number"));
    tokio::time::timeout(PUBLISH_DEADLINE, publish(jetstream, &rows))
        .await
        .map_err(|_| anyhow::anyhow!("JetStream did not acknowledge within {PUBLISH_DEADLINE:?}"))??;
    transaction.commit().await?;
    let highest = rows.last().map_or(0, |row| row.get("number"));
    Ok(Batch { rows: rows.len() as u64, highest })
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
