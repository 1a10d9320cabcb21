//! One batch, one transaction: lock the sections, read what is wanted, decide, write, commit.
//!
//! The lock order is the same everywhere, whatever the batch: sections by event and number, then allowances by event
//! and buyer, then seats, holds, requests, outbox. Everything about a seat or a hold happens under the locks of its
//! sections, so what is read after them stays true until the commit. Two replicas' batches wait for each other but
//! never deadlock.

mod facts;
mod read;
mod rows;
pub(in crate::store) use rows::hold as read_hold;
mod write;

use std::collections::BTreeSet;

use deadpool_postgres::{Object, Pool};
use livehouse_contract::id::HoldId;

use crate::catalogue::Catalogue;
use crate::domain::command::Command;
use crate::domain::decide::{Decision, decide};
use crate::domain::world::{Changes, SectionKey, World};

/// A batch that could not be carried out. Nothing was changed, or (if the connection broke in the commit) everything
/// was: sending it again is safe, because every command may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or could not be reached.
    #[error("the database refused a batch")]
    Postgres(#[from] tokio_postgres::Error),
    /// No connection in time.
    #[error("no database connection")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// It took longer than a batch may. Nothing is wrong with its commands.
    #[error("a batch took longer than {0:?}")]
    Late(std::time::Duration),
    /// A fact could not be written as JSON, or a row could not be read.
    #[error("a batch could not be translated")]
    Translation(#[from] anyhow::Error),
}

impl Error {
    /// Did the database refuse what the batch wrote? Then one of its commands is at fault, and the others can do
    /// without it. Otherwise the whole batch can be tried again as it is.
    #[must_use]
    pub fn is_refused_write(&self) -> bool {
        match self {
            Self::Postgres(error) => error.as_db_error().is_some_and(|refusal| {
                // Integrity violations, our own expectations, and values out of range.
                ["23", "09", "22"].contains(&refusal.code().code().get(..2).unwrap_or_default())
            }),
            Self::Translation(_) => true,
            Self::Pool(_) | Self::Late(_) => false,
        }
    }
}

/// What a batch came to.
#[derive(Debug)]
pub struct Decided {
    /// A decision for every command, in order.
    pub decisions: Vec<Decision>,
    /// The world after the commit.
    pub world: World,
}

impl Decided {
    /// What was changed.
    #[must_use]
    pub const fn changes(&self) -> &Changes {
        &self.world.changes
    }
}

/// Decides `commands` in one transaction.
pub async fn run(pool: &Pool, catalogue: &Catalogue, commands: &[&Command]) -> Result<Decided, Error> {
    let connection = pool.get().await?;
    // Dropped with everything that is still unanswered in it, should this future be dropped: a connection in an
    // unknown state never goes back to the pool.
    let mut guard = Discard(Some(connection));
    let Some(connection) = guard.0.as_ref() else { unreachable!("the connection was just put there") };
    let outcome = run_on(connection, catalogue, commands).await;
    if outcome.is_err() {
        // Ends the transaction if it is still open; a broken connection answers with an error, which says nothing new.
        let _already_reported = connection.batch_execute("rollback").await;
    }
    if let Some(connection) = guard.0.take() {
        drop(connection);
    }
    outcome
}

/// Takes its connection out of the pool for good when dropped with one.
struct Discard(Option<Object>);

impl Drop for Discard {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

async fn run_on(connection: &Object, catalogue: &Catalogue, commands: &[&Command]) -> Result<Decided, Error> {
    let named: BTreeSet<HoldId> = commands.iter().filter_map(|command| command.hold()).collect();
    let mut sections: BTreeSet<SectionKey> =
        commands.iter().flat_map(|command| wanted_sections(command)).collect();
    // What the named holds keep tells which sections to lock; whether it still does is checked under the locks.
    let held = if named.is_empty() { Vec::new() } else { read::holds(connection, &named).await? };
    for hold in &held {
        sections.extend(hold.sections().map(|section| (hold.event, section)));
    }
    let (mut world, places) = read::world(connection, commands, &named, &sections, &held).await?;
    let decisions = commands.iter().map(|command| decide(&mut world, command)).collect();
    if world.changes.is_empty() {
        connection.batch_execute("rollback").await?;
    } else {
        write::changes(connection, catalogue, &world, &places).await?;
    }
    Ok(Decided { decisions, world })
}

fn wanted_sections(command: &Command) -> Vec<SectionKey> {
    match command {
        Command::Place(place) => {
            let seats = place.seats.iter().map(|item| (place.event, item.section));
            seats.chain(place.areas.iter().map(|item| (place.event, item.area))).collect()
        }
        _ => Vec::new(),
    }
}
