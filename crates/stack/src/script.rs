//! The scripts of `stack/`: each ends within its deadline, or is ended.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
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
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.process_group(0).spawn().with_context(|| format!("cannot run {what}"))?;
    let mut group = Group(child.id());
    let output = timeout(deadline, child.wait_with_output())
        .await
        .with_context(|| {
            format!("{what} did not end within {} s: does the engine answer?", deadline.as_secs())
        })?
        .with_context(|| format!("{what} was lost"))?;
    group.0 = None;
    Ok(output)
}

/// A script and whatever it has started: all of it is ended when nobody waits for it any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.and_then(|leader| i32::try_from(leader).ok()) {
            // Not there any more is as good.
            let _gone = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use livehouse_testkit::wait_until;

    use super::*;

    #[tokio::test]
    async fn a_script_that_hangs_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let started = folder.path().join("started");
        let mut command = Command::new("bash");
        command.args(["-c", "sleep 60 & echo $! >\"$1\"; wait", "script"]).arg(&started);
        let error = ended_within(command, "a script", Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "a script did not end within 1 s: does the engine answer?");
        let sleeper = std::fs::read_to_string(started).unwrap();
        // Who is dead and not yet buried has no command line any more.
        let line = format!("/proc/{}/cmdline", sleeper.trim());
        wait_until("what the script started is gone", Duration::from_secs(5), || async {
            match std::fs::read(&line) {
                Ok(line) if !line.is_empty() => Err(String::from_utf8_lossy(&line).into_owned()),
                _ => Ok(()),
            }
        })
        .await;
    }
}
