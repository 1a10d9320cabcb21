//! The tickets service with guards switched off, for the negative controls: a test that stays green without a guard
//! does not test the guard. Built only with the feature `negative-controls`.

use clap::Parser;
use livehouse_platform::telemetry::{self, Process};
use livehouse_tickets::options::{Command, Options};
use livehouse_tickets::{guard, serve};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    guard::switch_off(&std::env::var("GUARDS_OFF").unwrap_or_default())?;
    let Options { telemetry, command: Command::Serve(mut options) } = Options::parse() else {
        anyhow::bail!("only `serve` can do without guards")
    };
    let replica = options.common.replica_name(serve::NAME);
    let _telemetry = telemetry::start(&telemetry, Process::Service { name: serve::NAME, replica: &replica })?;
    serve::run(options).await
}
