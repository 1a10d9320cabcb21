//! The process of the identity service: options, then serve.

use clap::Parser;
use livehouse_identity::options::{Command, Options};
use livehouse_identity::serve;
use livehouse_platform::telemetry::{self, Process};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { telemetry, command: Command::Serve(mut options) } = Options::parse();
    let replica = options.common.replica_name(serve::NAME);
    let _telemetry = telemetry::start(&telemetry, Process::Service { name: serve::NAME, replica: &replica })?;
    serve::run(options).await
}
