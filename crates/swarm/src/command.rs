//! Programs that do one thing and end: run with a deadline, and with what they said as the reason when they fail.

use std::{ffi::OsStr, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{io::AsyncWriteExt, process::Command};

/// What most programs may take.
pub(crate) const QUICK: Duration = Duration::from_secs(60);
/// How much of what a program said is shown when it failed.
const LINES_SHOWN: usize = 12;

/// A program with arguments.
pub(crate) fn program<A: AsRef<OsStr>>(
    name: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// Runs it to its end; gives what it wrote to standard output.
pub(crate) async fn run(command: &mut Command, deadline: Duration) -> anyhow::Result<String> {
    run_with_input(command, None, deadline).await
}

/// [`run`] with something on its standard input.
pub(crate) async fn run_with_input(
    command: &mut Command,
    input: Option<&[u8]>,
    deadline: Duration,
) -> anyhow::Result<String> {
    run_whole(command, input, deadline).await.map(|(said, _)| said)
}

/// [`run_with_input`] that gives both outputs: some programs write what they have to say to the second.
pub(crate) async fn run_whole(
    command: &mut Command,
    input: Option<&[u8]>,
    deadline: Duration,
) -> anyhow::Result<(String, String)> {
    let what = described(command);
    command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("cannot run `{what}`"))?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input).await.with_context(|| format!("`{what}` does not read its input"))?;
    }
    let output = tokio::time::timeout(deadline, child.wait_with_output())
        .await
        .with_context(|| format!("`{what}` was not done after {deadline:?}"))??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok((said, complaint));
    }
    let lines: Vec<&str> =
        said.lines().chain(complaint.lines()).filter(|line| !line.trim().is_empty()).collect();
    bail!(
        "`{what}` failed ({}):\n  {}",
        output.status,
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n  ")
    )
}

/// The command as a person would type it, cut where it gets long.
fn described(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
