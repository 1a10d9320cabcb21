//! The outbox: a fact is written in the transaction that makes it true, and published afterwards.
//!
//! A crash between the two loses nothing, a rollback publishes nothing, and a broker that is away only makes the
//! outbox longer. Several replicas relay side by side: each takes rows the others have not locked.
//!
//! A fact that the broker can never take (larger than its messages may be, or with a subject that is none) is set aside
//! where it is: its row stays in the table under the subject `refused.<subject>`, complete, logged as an error and
//! counted, and the others go on. A relay that starts offers such rows again: what was in the way (the broker's
//! `max_payload`, a bug) is mended by then, or the log says again that it is not.
//!
//! The service's migration makes the table:
//!
//! ```sql
//! create table outbox (
//!     number bigint generated always as identity constraint outbox_pkey primary key,
//!     fact uuid not null,
//!     subject text not null,
//!     payload text not null,
//!     written_at timestamptz not null default now(),
//!     traceparent text -- the span that wrote it, if somebody takes spans
//! );
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use deadpool_postgres::Pool;
use futures::future::join_all;
use livehouse_contract::fact::Fact;
use livehouse_contract::id::FactId;
use livehouse_contract::{metric, path};
use tokio::sync::Notify;
use tokio::time::timeout_at;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::FACT_ID_HEADER;
use crate::retry::Backoff;
use crate::telemetry;

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
pub const APPEND: &str = "insert into outbox (fact, subject, payload, traceparent) \
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])";
/// Rows are found by their number and deleted by their place, whatever the planner thinks of the table's size.
const TAKE: &str = "delete from outbox where ctid = any (array(\
    select ctid from outbox where number > $1 and not starts_with(subject, 'refused.') \
    order by number limit $2 for update skip locked)) \
    returning number, fact, subject, payload, written_at, traceparent";
/// Puts a taken row back, behind all others.
const PUT_BACK: &str =
    "insert into outbox (fact, subject, payload, written_at, traceparent) values ($1, $2, $3, $4, $5)";
/// What stands before the subject of a row that was set aside.
const REFUSED: &str = "refused.";
const OFFER_AGAIN: &str =
    "update outbox set subject = substr(subject, 9) where starts_with(subject, 'refused.')";
/// How much lies in the outbox, counted no further than a number that says enough.
const MEASURE: &str = "select count(*) filter (where not starts_with(subject, 'refused.')), \
    count(*) filter (where starts_with(subject, 'refused.')), \
    greatest(0, coalesce(extract(epoch from now() - \
        min(written_at) filter (where not starts_with(subject, 'refused.'))), 0))::float8 \
    from (select subject, written_at from outbox limit 100000) as lying";
/// How often the outbox is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
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
    parents: Vec<Option<String>>,
}

impl Facts {
    /// Adds a fact, which belongs to the trace of the current span.
    pub fn push<F: Fact>(&mut self, fact: &F) -> Result<(), serde_json::Error> {
        self.payloads.push(serde_json::to_string(fact)?);
        self.ids.push(FactId::generate().as_uuid());
        self.subjects.push(F::SUBJECT);
        self.parents.push(telemetry::parent(&Span::current()));
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
            client.execute(&statement, &[&self.ids, &self.subjects, &self.payloads, &self.parents]).await?;
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
/// process. Metrics say how many facts wait and since when ([`metric::OUTBOX_WAITING`], [`metric::OUTBOX_LAG`]), and how many were
/// set aside ([`metric::OUTBOX_REFUSED`]).
pub async fn relay(pool: Pool, jetstream: jetstream::Context, bell: Bell, stop: CancellationToken) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
    let mut looks = Looks::default();
    let mut upkeep = Upkeep::default();
    loop {
        let started = Instant::now();
        upkeep.run(&pool, started).await;
        let pause = match relay_batch(&pool, &jetstream, looks.next_after(started)).await {
            Ok(batch) => {
                telemetry::count(&metric::OUTBOX_PUBLISHED, batch.published, &[]);
                looks.taken(&batch);
                if batch.failed == 0 {
                    backoff.reset();
                    Pause::Bell(if batch.is_full() { Duration::ZERO } else { LOOK_INTERVAL })
                } else {
                    // The others did leave: new facts need not wait for those that did not.
                    Pause::Bell(backoff.next_delay())
                }
            }
            Err(error) => {
                telemetry::count(&metric::OUTBOX_FAILURES, 1, &[]);
                tracing::warn!(
                    error = format!("{error:#}"),
                    "facts wait in the outbox: they could not be published"
                );
                Pause::Whole(backoff.next_delay())
            }
        };
        let rung = async {
            match pause {
                Pause::Bell(_) => bell.0.notified().await,
                // Whoever rings does not know that the broker or the database is away.
                Pause::Whole(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = rung => {}
            () = tokio::time::sleep(pause.longest()) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(BATCH_INTERVAL.saturating_sub(started.elapsed())) => {}
        }
    }
}

/// How long to wait before the next look.
#[derive(Clone, Copy)]
enum Pause {
    /// Until the bell rings, at most so long.
    Bell(Duration),
    /// So long.
    Whole(Duration),
}

impl Pause {
    const fn longest(self) -> Duration {
        match self {
            Self::Bell(longest) | Self::Whole(longest) => longest,
        }
    }
}

/// What is done beside relaying, now and then. It may fail without harm: it comes again.
#[derive(Default)]
struct Upkeep {
    has_offered_again: bool,
    measured_at: Option<Instant>,
}

impl Upkeep {
    async fn run(&mut self, pool: &Pool, now: Instant) {
        if self.measured_at.is_some_and(|at| now.duration_since(at) < MEASURE_INTERVAL) {
            return;
        }
        self.measured_at = Some(now);
        if let Err(error) = self.try_run(pool).await {
            tracing::warn!(error = format!("{error:#}"), "the outbox could not be measured");
        }
    }

    async fn try_run(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let connection = pool.get().await?;
        if !self.has_offered_again {
            let offered = connection.execute(OFFER_AGAIN, &[]).await?;
            self.has_offered_again = true;
            if offered > 0 {
                tracing::info!(facts = offered, "facts that the broker had refused are offered again");
            }
        }
        let row = connection.query_one(&connection.prepare_cached(MEASURE).await?, &[]).await?;
        telemetry::set(&metric::OUTBOX_WAITING, row.get::<_, i64>(0) as f64, &[]);
        telemetry::set(&metric::OUTBOX_REFUSED, row.get::<_, i64>(1) as f64, &[]);
        telemetry::set(&metric::OUTBOX_LAG, row.get::<_, f64>(2), &[]);
        Ok(())
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

/// What was taken at once, and what became of it.
#[derive(Default)]
struct Batch {
    rows: usize,
    published: u64,
    /// Put back, to be tried again later.
    failed: usize,
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
    let highest = rows.last().map_or(0, |row| row.get("number"));
    let mut batch = Batch { rows: rows.len(), highest, ..Batch::default() };
    let mut last_failure = None;
    for (row, told) in rows.iter().zip(publish(jetstream, &rows).await) {
        match told {
            Told::Published => batch.published += 1,
            Told::Refused(reason) => set_aside(&transaction, row, &reason).await?,
            Told::Failed(error) => {
                batch.failed += 1;
                last_failure = Some(error);
                put_back(&transaction, row, row.get("subject")).await?;
            }
        }
    }
    if let Some(error) = last_failure {
        if batch.failed == batch.rows {
            // Nothing could be told: the broker is away, and the rows keep their places.
            return Err(error);
        }
        telemetry::count(&metric::OUTBOX_FAILURES, 1, &[]);
        let (facts, error) = (batch.failed, format!("{error:#}"));
        tracing::warn!(facts, error, "some facts could not be published and wait behind the others");
    }
    transaction.commit().await?;
    Ok(batch)
}

/// Writes a taken row again, behind all others.
async fn put_back(
    transaction: &deadpool_postgres::Transaction<'_>,
    row: &Row,
    subject: &str,
) -> anyhow::Result<()> {
    let fact: uuid::Uuid = row.get("fact");
    let payload: &str = row.get("payload");
    let written_at: jiff::Timestamp = row.get("written_at");
    let statement = transaction.prepare_cached(PUT_BACK).await?;
    let parent: Option<&str> = row.get("traceparent");
    transaction.execute(&statement, &[&fact, &subject, &payload, &written_at, &parent]).await?;
    Ok(())
}

async fn set_aside(
    transaction: &deadpool_postgres::Transaction<'_>,
    row: &Row,
    reason: &anyhow::Error,
) -> anyhow::Result<()> {
    let subject: &str = row.get("subject");
    let fact = FactId::from_uuid(row.get("fact"));
    let payload_bytes = row.get::<_, &str>("payload").len();
    let error = format!("{reason:#}");
    tracing::error!(
        fact.id = %fact, fact.subject = subject, payload_bytes, error,
        "the broker can never take this fact: it is set aside in the outbox and offered again when a relay starts"
    );
    telemetry::count(&metric::OUTBOX_REFUSALS, 1, &[]);
    put_back(transaction, row, &format!("{REFUSED}{subject}")).await
}

/// What became of one row.
enum Told {
    Published,
    /// The broker would never take it.
    Refused(anyhow::Error),
    /// Not this time.
    Failed(anyhow::Error),
}

impl From<PublishError> for Told {
    fn from(error: PublishError) -> Self {
        if is_refusal(&error) { Self::Refused(error.into()) } else { Self::Failed(error.into()) }
    }
}

/// Is the message itself at fault? Only what is certainly so: everything else is tried again.
fn is_refusal(error: &PublishError) -> bool {
    if error.kind() == PublishErrorKind::MaxPayloadExceeded {
        return true;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let server = error.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code);
        let is_of_server = matches!(
            server,
            Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM)
        );
        if is_of_server || error.is::<async_nats::subject::SubjectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Would the stream of facts take this subject? One that it does not is answered like a stream that is away for a moment.
fn is_subject_of_facts(subject: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && !token.contains(['*', '>'])
            && !token.chars().any(|char| char.is_whitespace() || char.is_control())
    };
    subject.split('.').next() == Some(path::FACT_PREFIX)
        && subject.split('.').count() > 1
        && subject.split('.').all(is_token)
}

/// Publishes all rows together and answers what became of each, in order.
async fn publish(jetstream: &jetstream::Context, rows: &[Row]) -> Vec<Told> {
    let deadline = tokio::time::Instant::now() + PUBLISH_DEADLINE;
    let late = || Told::Failed(anyhow::anyhow!("JetStream did not acknowledge within {PUBLISH_DEADLINE:?}"));
    let mut sent = Vec::with_capacity(rows.len());
    for row in rows {
        let subject: &str = row.get("subject");
        let span = publishing(row);
        let sending = if is_subject_of_facts(subject) {
            Some(timeout_at(deadline, send(jetstream, row, &span)).instrument(span.clone()).await)
        } else {
            None
        };
        let acknowledged = async move {
            match sending {
                None => Told::Refused(anyhow::anyhow!("'{subject}' is no subject of facts")),
                Some(Err(_)) => late(),
                Some(Ok(Err(error))) => error.into(),
                Some(Ok(Ok(acknowledgement))) => {
                    match timeout_at(deadline, acknowledgement.into_future()).await {
                        Err(_) => late(),
                        Ok(Err(error)) => error.into(),
                        Ok(Ok(_)) => Told::Published,
                    }
                }
            }
        };
        sent.push(acknowledged.instrument(span));
    }
    join_all(sent).await
}

/// The span of publishing a fact: in the trace of what wrote it.
fn publishing(row: &Row) -> Span {
    let span = tracing::debug_span!(
        parent: None, "publish", otel.kind = "producer", messaging.system = "nats",
        messaging.operation.name = "publish", messaging.destination.name = row.get::<_, &str>("subject"),
        fact.id = %FactId::from_uuid(row.get("fact")), trace_id = Empty,
    );
    telemetry::continued(span, row.get("traceparent"))
}

async fn send(
    jetstream: &jetstream::Context,
    row: &Row,
    span: &Span,
) -> Result<PublishAckFuture, PublishError> {
    let fact = FactId::from_uuid(row.get("fact")).to_string();
    let mut headers = HeaderMap::new();
    // The stream drops a second message of the same id: a crash before our commit publishes twice.
    headers.insert(async_nats::header::NATS_MESSAGE_ID, fact.as_str());
    headers.insert(FACT_ID_HEADER, fact.as_str());
    // Without spans here the trace goes on behind this all the same.
    if let Some(parent) = row.get::<_, Option<&str>>("traceparent") {
        headers.insert(telemetry::HEADER, parent);
    }
    telemetry::into_headers(span, &mut headers);
    let subject: String = row.get("subject");
    let payload: String = row.get("payload");
    jetstream.publish_with_headers(subject, headers, payload.into()).await
}
