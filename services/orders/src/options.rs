//! Options of the orders service.

use clap::{Args, Parser, Subcommand};
use livehouse_platform::bus::dead_letter;
use livehouse_platform::options::{Common, Database, Telemetry};

/// Orders: from a hold to a paid order, live.
#[derive(Debug, Parser)]
#[command(name = "livehouse-orders", version)]
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
    /// Check the invariants of orders; exit code 1 on a violation.
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
