//! The process of the identity service: options, then serve.

use clap::Parser;
use livehouse_identity::options::{Command, Options};
use livehouse_identity::serve;
use livehouse_platform::telemetry::{self, Destination};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    telemetry::start(&options.telemetry, Destination::Stdout)?;
    match options.command {
        Command::Serve(options) => serve::run(options).await,
    }
}
