//! Options of the tickets service.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use livehouse_platform::bus::dead_letter;
use livehouse_platform::options::{Common, Database, Telemetry};

/// Seat inventory: holds decided by Postgres and shown live.
#[derive(Debug, Parser)]
#[command(name = "livehouse-tickets", version)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logging.
    #[command(flatten)]
    pub telemetry: Telemetry,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until told to stop.
    Serve(Serve),
    /// Bring the database to the newest migration.
    Migrate(Database),
    /// Put the example sale into an empty database; does nothing when it is there.
    Seed(Database),
    /// Put a seating plan on sale: pretix's JSON, a table of row counts, or Livehouse's own format.
    Import(Import),
    /// Check the invariants of the inventory; exit code 1 on a violation.
    Audit(Audit),
    /// Look at or replay facts that this service gave up on.
    DeadLetters(dead_letter::Options),
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Surroundings.
    #[command(flatten)]
    pub common: Common,
    /// Database.
    #[command(flatten)]
    pub database: Database,
    /// Batches decided side by side, each on a connection of its own. A section belongs to one lane, so that batches
    /// rarely wait for each other; while one waits for the disk, the next is decided.
    #[arg(long, env = "LIVEHOUSE_BATCH_LANES", default_value_t = 2)]
    pub batch_lanes: usize,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The plan.
    pub file: PathBuf,
    /// Name of the event; that of the plan when absent.
    #[arg(long)]
    pub name: Option<String>,
    /// Days from today until the event, at 20:00 in --time-zone.
    #[arg(long, default_value_t = 60)]
    pub days: i32,
    /// IANA time zone of the venue.
    #[arg(long, default_value = "UTC")]
    pub time_zone: String,
    /// ISO 4217 currency of the prices.
    #[arg(long, default_value = "EUR")]
    pub currency: String,
    /// Price of the dearest category in minor units; the others follow in steps down to a third of it.
    #[arg(long, default_value_t = 9_000, value_parser = clap::value_parser!(i64).range(0..=100_000_000))]
    pub price: i64,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// Database.
    #[command(flatten)]
    pub database: Database,
}

/// Options of `audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Database.
    #[command(flatten)]
    pub database: Database,
}
