//! Telling a process apart from a later one with the same number, and finding what it started.

use std::{collections::HashMap, fs, path::Path, process::Command};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// A process by its number and start time. Numbers are used again; the pair is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number in the system.
    pub pid: u32,
    /// When it was started, in the system's own notation: only good for comparing.
    pub started: String,
}

impl Identity {
    /// The process that has this number now. Its start time is empty when there is none.
    pub fn of(pid: u32) -> Identity {
        Identity { pid, started: start_time(pid).unwrap_or_default() }
    }

    /// This process.
    pub fn own() -> Identity {
        Identity::of(std::process::id())
    }

    /// Whether that very process still runs.
    pub fn is_alive(&self) -> bool {
        !self.started.is_empty() && start_time(self.pid).as_deref() == Some(&self.started)
    }

    /// Sends it, its group and everything it started SIGKILL (or first SIGTERM when `ask`), if it is still that
    /// very process.
    pub fn end(&self, ask: bool) {
        if !self.is_alive() {
            return;
        }
        let signal = if ask { Signal::SIGTERM } else { Signal::SIGKILL };
        let own = Pid::from_raw(self.pid.cast_signed());
        let pids = if ask { vec![self.pid] } else { tree(self.pid) };
        for pid in pids {
            // Stopped processes act on a signal only when they go on.
            let pid = Pid::from_raw(pid.cast_signed());
            let _ = kill(pid, signal);
            let _ = kill(pid, Signal::SIGCONT);
        }
        if !ask {
            let _ = killpg(own, signal);
        }
    }
}

/// The process and all it started, that all of those started, and so on.
pub(super) fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, parent) in all_processes() {
        children.entry(parent).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn all_processes() -> Vec<(u32, u32)> {
    if Path::new("/proc/self/stat").exists() {
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        return numbers
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, stat_field(pid, 1)?.parse().ok()?)))
            .collect();
    }
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}

fn start_time(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        // A zombie has ended; it only waits for its parent to notice.
        return if stat_field(pid, 0)? == "Z" { None } else { stat_field(pid, 19) };
    }
    let output = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    (!text.is_empty()).then_some(text)
}

/// A field of `/proc/PID/stat`, counted from 0 after the program's name (which may hold blanks and brackets).
fn stat_field(pid: u32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(field).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself_and_not_one_with_another_start_time() {
        let own = Identity::own();
        assert!(own.is_alive());
        let other = Identity { started: format!("{}1", own.started), ..own };
        assert!(!other.is_alive());
    }
}
