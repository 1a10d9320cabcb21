//! Options of the site.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use livehouse_platform::options::{Common, Telemetry};

/// The pages: server-rendered events, the built client, guest sessions.
#[derive(Debug, Parser)]
#[command(name = "livehouse-site", version)]
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
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Surroundings.
    #[command(flatten)]
    pub common: Common,
    /// Public address of the pages.
    #[arg(long, env = "LIVEHOUSE_SITE_BIND", default_value = "127.0.0.1:8000")]
    pub site_bind: SocketAddr,
    /// Origin that people type, such as `https://tickets.example.org`; made from --site-bind when absent.
    #[arg(long, env = "LIVEHOUSE_SITE_URL")]
    pub site_url: Option<String>,
    /// Resgate's HTTP API, as this process reaches it.
    #[arg(long, env = "LIVEHOUSE_RESGATE_URL", default_value = "http://127.0.0.1:8080")]
    pub resgate_url: String,
    /// Resgate's WebSocket, as the browser reaches it.
    #[arg(long, env = "LIVEHOUSE_LIVE_URL", default_value = "ws://127.0.0.1:8080/")]
    pub live_url: String,
    /// The built client.
    #[arg(long, env = "LIVEHOUSE_WEB_DIST", default_value = "web/dist")]
    pub web_dist: PathBuf,
    /// File with the key that signs sessions; at least 32 bytes.
    #[arg(long, env = "LIVEHOUSE_SESSION_KEY_FILE")]
    pub session_key_file: PathBuf,
}
