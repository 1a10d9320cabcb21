//! PostgreSQL: the pool, and migrations under an advisory lock.

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use crate::health::{Condition, Health};
use crate::options::Database;

/// Key of the advisory lock that lets one process migrate a database at a time.
const MIGRATION_LOCK: i64 = 0x6c69_7665_686f_7573;

/// The longest a statement may run, a lock may be waited for, and a transaction may idle. A query that would
/// take longer is worth less than the connection it blocks.
const SESSION_OPTIONS: &str =
    "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s";

/// What a command may take instead: whoever typed it would rather wait than type it again, on a database that is busy.
const COMMAND_OPTIONS: &str = "-c statement_timeout=120s -c lock_timeout=60s";
/// How long a command waits for its connection.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// A connection without traffic is probed after this time, and given up after [`PROBE_TRIES`] probes without an answer.
/// A peer that vanished (a lost machine, a firewall that forgot) sends nothing that would tell.
const IDLE_BEFORE_PROBE: Duration = Duration::from_secs(5);
/// Between two probes of an idle connection.
const IDLE_PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// Probes without an answer before a connection is given up.
const PROBE_TRIES: u32 = 3;
/// What was sent and not acknowledged by the peer's kernel for so long ends the connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// How often the database is asked whether it is there.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// The database's URL, from the option or from its file.
pub fn url(options: &Database) -> anyhow::Result<String> {
    match (&options.postgres_url_file, &options.postgres_url) {
        (Some(file), _) => Ok(std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the database URL from {}", file.display()))?
            .trim()
            .to_owned()),
        (None, Some(url)) => Ok(url.clone()),
        (None, None) => {
            anyhow::bail!("no database URL: set LIVEHOUSE_POSTGRES_URL or LIVEHOUSE_POSTGRES_URL_FILE")
        }
    }
}

/// A pool of connections, opened when first used. `application` names them in `pg_stat_activity`.
pub fn pool(options: &Database, application: &str) -> anyhow::Result<Pool> {
    pool_of(&url(options)?, options.postgres_connections_max, application, "")
}

/// A pool of at most `connections_max` connections to `url`, each with `settings` (`-c name=value …`) besides the
/// usual ones.
pub fn pool_of(url: &str, connections_max: usize, application: &str, settings: &str) -> anyhow::Result<Pool> {
    let config = config(url, application, settings)?;
    let timeouts = Timeouts {
        wait: Some(Duration::from_secs(2)),
        create: Some(Duration::from_secs(4)),
        recycle: Some(Duration::from_secs(2)),
    };
    build(config, connections_max, timeouts)
}

/// The pool of a command that somebody waits for (`import`, `audit`): it has more patience with a busy database than a
/// request has. A database that refuses connections is told at once.
pub fn pool_of_command(options: &Database, application: &str) -> anyhow::Result<Pool> {
    let mut config = config(&url(options)?, application, COMMAND_OPTIONS)?;
    config.connect_timeout(COMMAND_PATIENCE);
    let timeouts = Timeouts {
        wait: Some(COMMAND_PATIENCE),
        create: Some(COMMAND_PATIENCE),
        recycle: Some(COMMAND_PATIENCE),
    };
    build(config, options.postgres_connections_max, timeouts)
}

fn build(config: tokio_postgres::Config, connections_max: usize, timeouts: Timeouts) -> anyhow::Result<Pool> {
    let manager =
        Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    Ok(Pool::builder(manager)
        .max_size(connections_max)
        // The connection used last has its statements prepared and its caches warm.
        .queue_mode(QueueMode::Lifo)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()?)
}

fn config(url: &str, application: &str, settings: &str) -> anyhow::Result<tokio_postgres::Config> {
    let mut config = tokio_postgres::Config::from_str(url).map_err(|_| {
        anyhow::anyhow!("the database URL is not valid: expected postgres://user:password@host:port/database")
    })?;
    config
        .application_name(application)
        .options(format!("{SESSION_OPTIONS} {settings}"))
        .connect_timeout(Duration::from_secs(3))
        .keepalives(true)
        .keepalives_idle(IDLE_BEFORE_PROBE)
        .keepalives_interval(IDLE_PROBE_INTERVAL)
        .keepalives_retries(PROBE_TRIES)
        .tcp_user_timeout(UNACKNOWLEDGED_MAX);
    Ok(config)
}

/// A connection that goes back to its pool only by [`Borrowed::give_back`], and is closed otherwise.
///
/// For work with a deadline: when its future is dropped in the middle, the connection still waits for an answer that
/// may never come, and whoever took it next from the pool would wait behind that.
#[derive(Debug)]
pub struct Borrowed(Option<Object>);

impl Borrowed {
    /// Takes a connection from the pool.
    pub async fn from(pool: &Pool) -> Result<Self, PoolError> {
        Ok(Self(Some(pool.get().await?)))
    }

    /// All that was asked was answered: the connection is as good as before.
    pub fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Borrowed {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.0.as_ref().expect("it is taken out only by what consumes this")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Object {
        self.0.as_mut().expect("it is taken out only by what consumes this")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Closing it also ends what the database still does for it.
            drop(Object::take(connection));
        }
    }
}

/// Brings the database to the newest migration. Several processes may call it at once: one works, the others
/// wait for it and find nothing left to do.
pub async fn migrate(pool: &Pool, runner: refinery::Runner) -> anyhow::Result<()> {
    let mut connection = pool.get().await.context("cannot reach the database to migrate it")?;
    connection.batch_execute("set lock_timeout = '60s'; set statement_timeout = '300s'").await?;
    connection.execute("select pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
    let migrated = runner.run_async(&mut **connection.as_mut()).await;
    connection.execute("select pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
    let report = migrated.context("a migration failed; the database is as it was before it")?;
    for migration in report.applied_migrations() {
        tracing::info!(migration = %migration, "migration applied");
    }
    // The connection carries long timeouts now: it must not go back to the pool.
    drop(deadpool_postgres::Object::take(connection));
    Ok(())
}

/// Keeps the condition of `postgres` in `health` true until `stop`.
pub fn watch(pool: Pool, health: Health, stop: CancellationToken) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(PROBE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let probe = async {
                let connection = Borrowed::from(&pool).await.ok()?;
                connection.simple_query("select 1").await.ok()?;
                connection.give_back();
                Some(())
            };
            let answered = tokio::time::timeout(Duration::from_secs(2), probe).await.ok().flatten();
            health.set("postgres", if answered.is_some() { Condition::Up } else { Condition::Down });
        }
    });
}

/// Waits until the database answers and has all migrations of `runner`, or until `stop`: a service may start before its database
/// and beside its migration. Answers whether they are there. Newer ones do no harm.
pub async fn until_migrated(pool: &Pool, runner: &refinery::Runner, stop: &CancellationToken) -> bool {
    let newest = runner.get_migrations().iter().map(|migration| i64::from(migration.version())).max();
    let mut backoff = crate::retry::Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let look = async {
            let connection = pool.get().await?;
            let row = connection
                .query_one("select max(version)::bigint from refinery_schema_history", &[])
                .await
                .context("nothing is migrated yet: migrate first")?;
            let found: Option<i64> = row.get(0);
            anyhow::ensure!(
                found >= newest,
                "migration {found:?} is the newest, not {newest:?} yet: migrate first"
            );
            Ok(())
        };
        match look.await {
            Ok(()) => return true,
            Err(error) => {
                tracing::info!(error = format!("{error:#}"), "waiting for the database and its migrations")
            }
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_whose_peer_vanished_is_given_up_within_seconds() {
        let config = config("postgres://somebody@127.0.0.1/orders", "test", "").expect("the URL is valid");
        assert!(config.get_keepalives());
        let retries = config.get_keepalives_retries().expect("probes are limited");
        let interval = config.get_keepalives_interval().expect("probes have an interval");
        assert!(config.get_keepalives_idle() + interval * retries <= Duration::from_secs(15));
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(10)));
    }
}
