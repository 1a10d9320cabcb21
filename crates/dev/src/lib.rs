//! `cargo dev`: the one entry for people, CI and pipelines.
//!
//! It starts a whole sale on this machine, runs all tests, measures, audits, and looks after what that needs. Each
//! subcommand is a module; [`run`] reads the command line and calls one of them.

mod assemble;
mod audit;
mod bench;
mod cli;
mod deploy;
mod doctor;
mod import;
mod lint;
mod logs;
mod secrets;
mod signals;
mod swarm;
mod terminal;
mod testing;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Command, terminal::Terminal};

/// Reads the command line, does what it says, and gives the exit code: 0 for success, 1 for a failure, 2 for a command
/// line that makes no sense, 130 when a person broke it off.
pub fn run() -> ExitCode {
    let command = cli::Line::parse().command;
    let terminal = Terminal::new();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.fail(&anyhow::Error::new(error).context("cannot start the runtime"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        let done = match command {
            Command::Up(options) => Box::pin(up::run(options, &terminal)).await,
            Command::Test(options) => testing::run(options, &terminal).await,
            Command::Bench(options) => bench::run(options, &terminal).await,
            Command::Audit(options) => audit::run(options, &terminal).await,
            Command::Import(options) => import::run(options).await,
            Command::Logs(options) => logs::run(options).await,
            Command::Lint(options) => lint::run(options, &terminal).await,
            Command::Deploy(options) => Box::pin(deploy::run(options, &terminal)).await,
            Command::Secrets(options) => Box::pin(secrets::run(options, &terminal)).await,
            Command::Swarm(options) => swarm::run(options, &terminal).await,
            Command::Doctor(options) => doctor::run(options, &terminal).await,
        };
        done.unwrap_or_else(|error| {
            terminal.fail(&error);
            1
        })
    });
    // A build that was broken off may still hold a thread; nobody waits for it.
    runtime.shutdown_background();
    ExitCode::from(code)
}
