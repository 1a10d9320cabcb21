//! Options that every service has, from the command line or the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// What every process needs to know of its surroundings.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// NATS servers, separated by commas.
    #[arg(long, env = "LIVEHOUSE_NATS_URL", default_value = "nats://127.0.0.1:4222", hide_env_values = true)]
    pub nats_url: String,

    /// On how many of the broker's servers each stream and bucket is kept. One that is there already gets more copies, never
    /// fewer. A broker without a cluster can only keep one.
    #[arg(long, env = "LIVEHOUSE_STREAM_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub stream_replicas: u8,

    /// KeyDB, Valkey or Redis. Without it the service runs degraded.
    #[arg(long, env = "LIVEHOUSE_KEYDB_URL", hide_env_values = true)]
    pub keydb_url: Option<String>,

    /// Private address for /healthz, /readyz and /metrics; port 0 takes a free one.
    #[arg(long, env = "LIVEHOUSE_HTTP_BIND", default_value = "127.0.0.1:0")]
    pub http_bind: SocketAddr,

    /// File to write the bound private address into, for whoever started this process.
    #[arg(long, env = "LIVEHOUSE_HTTP_ADDRESS_FILE")]
    pub http_address_file: Option<PathBuf>,

    /// Name of this replica, unique among all; made up when absent.
    #[arg(long, env = "LIVEHOUSE_REPLICA")]
    pub replica: Option<String>,
}

impl Common {
    /// The replica's name; a random one, from now on its own, when none was given.
    pub fn replica_name(&mut self, service: &str) -> String {
        self.replica.get_or_insert_with(|| format!("{service}-{:08x}", rand::random::<u32>())).clone()
    }
}

/// Where the service's own database is.
#[derive(Debug, Clone, Args)]
pub struct Database {
    /// PostgreSQL database of this service. It carries a password: give it by environment or file.
    #[arg(
        long,
        env = "LIVEHOUSE_POSTGRES_URL",
        required_unless_present = "postgres_url_file",
        hide_env_values = true
    )]
    pub postgres_url: Option<String>,

    /// File that holds the database URL, as secrets are mounted.
    #[arg(long, env = "LIVEHOUSE_POSTGRES_URL_FILE")]
    pub postgres_url_file: Option<PathBuf>,

    /// Connections this process may open.
    #[arg(long, env = "LIVEHOUSE_POSTGRES_CONNECTIONS_MAX", default_value_t = 12)]
    pub postgres_connections_max: usize,
}

/// How the process speaks of itself.
#[derive(Debug, Clone, Args)]
pub struct Telemetry {
    /// What to log, as a tracing filter.
    #[arg(long, env = "LIVEHOUSE_LOG", default_value = "info", global = true)]
    pub log: String,

    /// How to log.
    #[arg(long, env = "LIVEHOUSE_LOG_FORMAT", default_value = "json", value_enum, global = true)]
    pub log_format: LogFormat,

    /// Loki, such as http://loki:3100/: lines are sent there besides, where no agent reads the standard output of containers.
    #[arg(long, env = "LIVEHOUSE_LOKI_URL", global = true)]
    pub loki_url: Option<String>,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Text,
}
