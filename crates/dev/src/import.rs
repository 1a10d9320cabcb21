//! `cargo dev import FILE`: a seating plan into the running sale.

use anyhow::Context;
use livehouse_parts::Workspace;
use tokio::process::Command;

use crate::{
    assemble::openly,
    cli::ImportOptions,
    up::{
        sale::{environment_of, program_of},
        state::State,
    },
};

/// Lets the tickets service import the file; what it says and its exit code are passed on.
pub(crate) async fn run(options: ImportOptions) -> anyhow::Result<u8> {
    std::fs::metadata(&options.file)
        .with_context(|| format!("cannot read the seating plan {}", options.file.display()))?;
    let state = State::of_running_sale(&Workspace::find())?;
    let mut command = Command::new(program_of(&state.programs, "tickets")?);
    command.arg("import").arg(&options.file).args(&options.rest).envs(environment_of(&state, "tickets"));
    let status = openly(&mut command).await?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
