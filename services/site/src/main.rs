//! The process of the site: options, then serve.

use clap::Parser;
use livehouse_platform::telemetry::{self, Destination};
use livehouse_site::options::{Command, Options};
use livehouse_site::serve;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    telemetry::start(&options.telemetry, Destination::Stdout)?;
    match options.command {
        Command::Serve(options) => serve::run(options).await,
    }
}
