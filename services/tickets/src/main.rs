//! The process of the tickets service: options, then what was asked for.

use clap::Parser;
use livehouse_platform::telemetry::{self, Process};
use livehouse_tickets::options::{Command, Options};
use livehouse_tickets::{audit, publish, seed, serve};

#[tokio::main]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    let mut options = Options::parse();
    let process = match &mut options.command {
        Command::Serve(serve) => {
            serve.common.replica_name(serve::NAME);
            Process::Service {
                name: serve::NAME,
                replica: serve.common.replica.as_deref().unwrap_or_default(),
            }
        }
        _ => Process::Command,
    };
    let _telemetry = telemetry::start(&options.telemetry, process)?;
    match options.command {
        Command::Serve(options) => serve::run(options).await?,
        Command::Migrate(options) => serve::migrate(&options).await?,
        Command::Seed(options) => seed::run(&options).await?,
        Command::Import(options) => return publish::import(options).await,
        Command::Audit(options) => return audit::run(options).await,
        Command::DeadLetters(options) => livehouse_platform::bus::dead_letter::command(options).await?,
    }
    Ok(std::process::ExitCode::SUCCESS)
}
