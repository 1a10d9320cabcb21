//! The tickets service with guards switched off, for the negative controls: a test that stays green without a guard
//! does not test the guard. Built only with the feature `negative-controls`.

use clap::Parser;
use livehouse_platform::telemetry::{self, Destination};
use livehouse_tickets::options::{Command, Options};
use livehouse_tickets::{guard, serve};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    guard::switch_off(&std::env::var("GUARDS_OFF").unwrap_or_default())?;
    let options = Options::parse();
    telemetry::start(&options.telemetry, Destination::Stdout)?;
    match options.command {
        Command::Serve(options) => serve::run(options).await,
        _ => anyhow::bail!("only `serve` can do without guards"),
    }
}
