//! The process of the orders service: options, then what was asked for.

use clap::Parser;
use livehouse_orders::options::{Command, Options};
use livehouse_orders::{audit, serve};
use livehouse_platform::telemetry::{self, Process};

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
        Command::Audit(options) => return audit::run(options).await,
        Command::DeadLetters(options) => livehouse_platform::bus::dead_letter::command(options).await?,
    }
    Ok(std::process::ExitCode::SUCCESS)
}
