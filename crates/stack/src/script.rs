//! The scripts of `stack/`: each ends within its deadline, or is ended.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::Context;
use tokio::{process::Command, time::timeout};

/// Each asks the engine some dozens of questions at most.
const SECONDS_MAX: u64 = 120;

/// Runs `command` without any input; `what` is what errors call it.
///
/// # Errors
/// When it cannot be started, and when it has not ended in time. Not when it fails: its output says that.
pub(crate) async fn ended(command: Command, what: &str) -> anyhow::Result<Output> {
    ended_within(command, what, Duration::from_secs(SECONDS_MAX)).await
}

async fn ended_within(mut command: Command, what: &str, deadline: Duration) -> anyhow::Result<Output> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ended = timeout(deadline, running).await;
    ended
        .with_context(|| {
            format!("{what} did not end within {} s: does the engine answer?", deadline.as_secs())
        })?
        .with_context(|| format!("cannot run {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_script_that_hangs_is_ended_at_its_deadline() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let error = ended_within(command, "a script", Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "a script did not end within 1 s: does the engine answer?");
    }
}
