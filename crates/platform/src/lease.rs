//! Ownership of live resources, decided by PostgreSQL.
//!
//! A row per lease key: who holds it, until when by the database's clock, and an epoch that rises with every
//! new holder. A replica that dies is followed by another when its time is over; one that stops gives back at
//! once. Replicas share evenly, by the rule of [`fair_share`]: who has more than its part gives up one key a round, and
//! only after it has stopped acting on it. A key that lies free because a replica with room in its share could not prepare
//! it goes to another beyond its share.
//!
//! The service's migration makes the tables `lease` and `lease_replica`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use res_service::{BoxError, Holding, Lease, fair_share};
use tokio_postgres::Row;

use crate::postgres::Borrowed;

/// How long a holding is good for after it was asked for. The view of a dead owner's events is stale for as
/// long, so it is short; rounds come at a quarter of it.
const TIME_TO_LIVE: Duration = Duration::from_secs(2);
/// A key that a replica sees free for so long is taken by it whatever its share: whoever has room has had many rounds.
const LEFT_AFTER: Duration = Duration::from_secs(4);
/// For so long what a replica has taken beyond its share does not count there. Then it must not keep others from an even one.
const KEPT_BEYOND: Duration = Duration::from_secs(300);
/// A round or a release that takes longer than this is given up. The library waits for a third of the time to live; this
/// is a little shorter, so that the reason is told from here and time is left for another try before holdings run out.
const ROUND_DEADLINE: Duration = Duration::from_millis(600);

const SEEN: &str = "insert into lease_replica (replica, seen_until) values ($1, clock_timestamp() + $2::float8 * interval '1 second') \
    on conflict (replica) do update set seen_until = excluded.seen_until";
const FORGET: &str = "delete from lease_replica where seen_until < clock_timestamp() - interval '1 minute'";
const MAKE: &str = "insert into lease (key) select key from unnest($1::text[]) as key order by key on conflict (key) do nothing";
const RENEW: &str = "update lease set expires_at = clock_timestamp() + $2::float8 * interval '1 second' \
    where holder = $1 and expires_at > clock_timestamp() returning key";
const CLAIM: &str = "update lease set holder = $1, epoch = epoch + 1, \
        expires_at = clock_timestamp() + $2::float8 * interval '1 second' \
    where key in (select key from lease where key = any($3::text[]) \
        and (holder is null or expires_at <= clock_timestamp()) order by key limit $4 for update skip locked) \
    returning key";
const OTHERS: &str = "select (select count(*) from lease where holder = replica and expires_at > clock_timestamp()) \
    from lease_replica where replica <> $1 and seen_until > clock_timestamp()";
const MAP: &str =
    "select key, holder, epoch from lease where holder is not null and expires_at > clock_timestamp()";
/// Who holds nothing after its release is not counted as a replica any more: it stops, and the others' shares must
/// grow at once. If it does not stop, its next round counts it again.
const RELEASE: &str = "with released as (update lease set holder = null where holder = $1 and key = any($2::text[])) \
    delete from lease_replica where replica = $1 and not exists (select from lease \
        where holder = $1 and expires_at > clock_timestamp() and key <> all($2::text[]))";

/// A [`Lease`] kept in a service's database.
pub struct PostgresLease {
    pool: Pool,
    found: Mutex<Found>,
}

/// What the rounds of this replica have found.
#[derive(Default)]
struct Found {
    /// A key of which it has one too many.
    surplus: Option<String>,
    /// Keys that lie free, and since when.
    free: BTreeMap<String, Instant>,
    /// Keys that it has taken beyond its share, and when. For a while they do not count in it: whoever gave them up might
    /// again.
    beyond: BTreeMap<String, Instant>,
}

impl Found {
    /// Those of these keys that nobody else has taken for long enough.
    fn left(&self, keys: &[String]) -> Vec<String> {
        let is_left = |key: &&String| self.free.get(*key).is_some_and(|since| since.elapsed() >= LEFT_AFTER);
        keys.iter().filter(is_left).cloned().collect()
    }

    /// Takes note of the keys that were free at the end of a round.
    fn note_free<'a>(&mut self, free: impl Iterator<Item = &'a String>) {
        let mut before = std::mem::take(&mut self.free);
        let noted = free.map(|key| (key.clone(), before.remove(key).unwrap_or_else(Instant::now)));
        self.free = noted.collect();
    }
}

impl PostgresLease {
    /// Leases in the tables of `pool`'s database.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, found: Mutex::default() }
    }

    async fn round_in_database(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        let seconds = TIME_TO_LIVE.as_secs_f64();
        let mut connection = Borrowed::from(&self.pool).await?;
        let transaction = connection.transaction().await?;
        transaction.execute(SEEN, &[&replica, &seconds]).await?;
        transaction.execute(FORGET, &[]).await?;
        transaction.execute(MAKE, &[&keys]).await?;
        let renewed = keys_of(&transaction.query(RENEW, &[&replica, &seconds]).await?);
        let mut beyond = self.found().beyond.clone();
        beyond.retain(|key, _| renewed.contains(key));
        let mine = renewed.len() - beyond.values().filter(|since| since.elapsed() < KEPT_BEYOND).count();
        let others = transaction.query(OTHERS, &[&replica]).await?;
        let others: Result<Vec<usize>, _> =
            others.iter().map(|row| row.get::<_, i64>(0).try_into()).collect();
        let others = others?;
        let share = fair_share(keys.len(), &others);
        if mine < share {
            let wanted = i64::try_from(share - mine)?;
            transaction.query(CLAIM, &[&replica, &seconds, &keys, &wanted]).await?;
        }
        let left = self.found().left(keys);
        if !left.is_empty() {
            let all = i64::try_from(left.len())?;
            let taken = keys_of(&transaction.query(CLAIM, &[&replica, &seconds, &left, &all]).await?);
            beyond.extend(taken.into_iter().map(|key| (key, Instant::now())));
        }
        // Also if nobody learns any more whether what follows was done.
        self.found().beyond.clone_from(&beyond);
        let holdings = holdings_of(&transaction.query(MAP, &[]).await?);
        transaction.commit().await?;
        connection.give_back();
        let is_too_many = mine > share && others.iter().any(|held| held + 1 < mine);
        let held_here = holdings.iter().filter(|holding| holding.holder == replica);
        // What another has given up is the last to be handed over: it might do so again.
        let surplus = held_here.min_by_key(|holding| beyond.get(&holding.key)).filter(|_| is_too_many);
        let surplus = surplus.map(|holding| holding.key.clone());
        let held: BTreeSet<&String> = holdings.iter().map(|holding| &holding.key).collect();
        let mut found = self.found();
        found.surplus = surplus;
        found.note_free(keys.iter().filter(|key| !held.contains(key)));
        drop(found);
        Ok(holdings)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keys_of(rows: &[Row]) -> BTreeSet<String> {
    rows.iter().map(|row| row.get("key")).collect()
}

fn holdings_of(rows: &[Row]) -> Vec<Holding> {
    let holding = |row: &Row| Holding {
        key: row.get("key"),
        holder: row.get("holder"),
        epoch: u64::try_from(row.get::<_, i64>("epoch")).unwrap_or_default(),
    };
    rows.iter().map(holding).collect()
}

impl Lease for PostgresLease {
    async fn round(&self, replica: &str, keys: &[String]) -> Result<Vec<Holding>, BoxError> {
        tokio::time::timeout(ROUND_DEADLINE, self.round_in_database(replica, keys))
            .await
            .map_err(|_| "the database did not answer a round of leases in time")?
    }

    async fn release(&self, replica: &str, keys: &[String]) -> Result<(), BoxError> {
        let release = async {
            let connection = Borrowed::from(&self.pool).await?;
            connection.execute(RELEASE, &[&replica, &keys]).await?;
            connection.give_back();
            Ok(())
        };
        tokio::time::timeout(ROUND_DEADLINE, release)
            .await
            .map_err(|_| "the database did not answer a release of leases in time")?
    }

    async fn surrender(&self, _replica: &str) -> Result<Vec<String>, BoxError> {
        Ok(self.found().surplus.take().into_iter().collect())
    }

    fn time_to_live(&self) -> Duration {
        TIME_TO_LIVE
    }
}
