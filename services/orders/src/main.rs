//! The process of the orders service: options, then what was asked for.

use clap::Parser;
use livehouse_orders::options::{Command, Options};
use livehouse_orders::{audit, serve};
use livehouse_platform::telemetry::{self, Destination};

#[tokio::main]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    let options = Options::parse();
    let destination = match options.command {
        Command::Serve(_) => Destination::Stdout,
        _ => Destination::Stderr,
    };
    telemetry::start(&options.telemetry, destination)?;
    match options.command {
        Command::Serve(options) => serve::run(options).await?,
        Command::Migrate(options) => serve::migrate(&options).await?,
        Command::Audit(options) => return audit::run(options).await,
        Command::DeadLetters(options) => livehouse_platform::bus::dead_letter::command(options).await?,
    }
    Ok(std::process::ExitCode::SUCCESS)
}
