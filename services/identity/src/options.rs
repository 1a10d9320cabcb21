//! Options of the identity service.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use livehouse_platform::options::{Common, Telemetry};

/// Who a connection is: guest sessions for Resgate.
#[derive(Debug, Parser)]
#[command(name = "livehouse-identity", version)]
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
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Surroundings.
    #[command(flatten)]
    pub common: Common,
    /// File with the key that signs sessions; at least 32 bytes.
    #[arg(long, env = "LIVEHOUSE_SESSION_KEY_FILE")]
    pub session_key_file: PathBuf,
}
