//! One private process: its own process group, its log in a file, its end when its owner ends.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::sync::watch;

use crate::{Account, Error};

mod identity;
mod watcher;

pub use identity::Identity;
pub use watcher::discard_folder_with_this_process;

/// How a program is asked to stop in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: drain and stop; what most programs understand.
    Terminate,
    /// SIGINT: to Postgres, break off the sessions and write everything down.
    Interrupt,
    /// SIGQUIT: to Postgres, stop at once and recover at the next start.
    Quit,
}

impl StopSignal {
    fn signal(self) -> Signal {
        match self {
            StopSignal::Terminate => Signal::SIGTERM,
            StopSignal::Interrupt => Signal::SIGINT,
            StopSignal::Quit => Signal::SIGQUIT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            StopSignal::Terminate => "TERM",
            StopSignal::Interrupt => "INT",
            StopSignal::Quit => "QUIT",
        }
    }
}

/// What to start.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// The name people know it by: `nats`, `tickets-1`.
    pub name: String,
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to (or replacing those of) this process's environment.
    pub environment: Vec<(String, OsString)>,
    /// Variables of this process it must not see.
    pub environment_without: Vec<String>,
    /// The folder it starts in; none: this process's own.
    pub folder: Option<PathBuf>,
    /// The file both its outputs are appended to.
    pub log: PathBuf,
    /// The account it runs under; none: this process's own.
    pub account: Option<Account>,
    /// How it is asked to stop.
    pub stop_signal: StopSignal,
    /// How long it has to stop after being asked, before it is killed.
    pub grace: Duration,
}

impl ProcessSpec {
    /// A program with its log file, no arguments, SIGTERM and ten seconds to stop.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> ProcessSpec {
        ProcessSpec {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            environment_without: Vec::new(),
            folder: None,
            log: log.into(),
            account: None,
            stop_signal: StopSignal::Terminate,
            grace: Duration::from_secs(10),
        }
    }

    /// With these arguments after those it has.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> ProcessSpec {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<OsString>) -> ProcessSpec {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn command(&self) -> Result<Command, Error> {
        if let Some(folder) = self.log.parent() {
            fs::create_dir_all(folder)
                .map_err(Error::system(format!("make the folder {}", folder.display())))?;
        }
        let log_error = || Error::system(format!("open the log {}", self.log.display()));
        let log = File::options().create(true).append(true).open(&self.log).map_err(log_error())?;
        let mut command = Command::new(&self.program);
        for name in &self.environment_without {
            command.env_remove(name);
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(log_error())?)
            .stderr(log)
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(account) = &self.account {
            command.uid(account.user).gid(account.group);
        }
        Ok(command)
    }
}

/// A running (or ended) private process. Dropping it ends it: asked first, killed after its grace.
#[derive(Debug)]
pub struct Process {
    spec: ProcessSpec,
    pid: Pid,
    identity: Identity,
    exit: watch::Receiver<Option<ExitStatus>>,
    started: Instant,
    log_start: u64,
}

impl Process {
    /// Starts it. It runs from now until [`Process::stop`], [`Process::kill`], the drop of this value or the end of
    /// this whole process, whichever is first.
    pub fn start(spec: ProcessSpec) -> Result<Process, Error> {
        let log_start = fs::metadata(&spec.log).map_or(0, |data| data.len());
        let mut child = spec.command()?.spawn().map_err(Error::system(format!(
            "start {} ({})",
            spec.name,
            spec.program.display()
        )))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        watcher::watch_over(pid, spec.stop_signal.name())?;
        let identity = Identity::of(child.id());
        let (sender, exit) = watch::channel(None);
        let wait = move || {
            end_group_after(pid);
            let status = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
            watcher::let_go(pid);
            sender.send_replace(Some(status));
        };
        std::thread::Builder::new()
            .name(format!("wait {}", spec.name))
            .stack_size(64 * 1024)
            .spawn(wait)
            .map_err(Error::system("start a thread"))?;
        Ok(Process { spec, pid, identity, exit, started: Instant::now(), log_start })
    }

    /// The name people know it by.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its number in the system.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// Its number and start time: what still tells it apart when numbers are used again.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// What it was started from.
    pub fn spec(&self) -> &ProcessSpec {
        &self.spec
    }

    /// How long ago it was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// How it ended; `None` while it runs.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for its end, however long that takes.
    pub async fn ended(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.map(|status| *status);
        status.ok().flatten().unwrap_or_else(|| ExitStatus::from_raw(0))
    }

    /// Asks it to stop, waits for its grace, and kills what is left. Gives how it ended.
    pub async fn stop(&self) -> ExitStatus {
        self.resume();
        self.signal(self.spec.stop_signal.signal());
        match tokio::time::timeout(self.spec.grace, self.ended()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// `kill -9`, of the process and of everything it started.
    pub async fn kill(&self) -> ExitStatus {
        self.kill_tree();
        self.ended().await
    }

    /// SIGSTOP, to the process and everything it started: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal_tree(Signal::SIGSTOP);
    }

    /// SIGCONT after [`Process::pause`].
    pub fn resume(&self) {
        self.signal_tree(Signal::SIGCONT);
    }

    /// The last `lines` lines this run wrote to its log.
    pub fn last_lines(&self, lines: usize) -> String {
        last_lines(&self.spec.log, self.log_start, lines)
    }

    /// [`Process::stop`] for places that cannot wait with a runtime, such as a `drop`: blocks, at most seven seconds.
    pub fn end(&self) {
        if self.status().is_some() {
            return;
        }
        self.resume();
        self.signal(self.spec.stop_signal.signal());
        self.block_until_ended(self.spec.grace.min(Duration::from_secs(5)));
        self.kill_tree();
        self.block_until_ended(Duration::from_secs(2));
    }

    #[expect(clippy::disallowed_methods, reason = "not a task of the runtime: this thread may wait")]
    fn block_until_ended(&self, longest: Duration) {
        let deadline = Instant::now() + longest;
        while self.status().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, signal: Signal) {
        if self.status().is_none() {
            // A process that has just ended is not there any more: nothing to do.
            let _ = kill(self.pid, signal);
        }
    }

    fn signal_group(&self, signal: Signal) {
        if self.status().is_none() {
            let _ = killpg(self.pid, signal);
        }
    }

    fn signal_tree(&self, signal: Signal) {
        if self.status().is_some() {
            return;
        }
        // Postgres puts each of its processes into a group of its own, so the group alone is not enough.
        for pid in identity::tree(self.pid()) {
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
        }
        self.signal_group(signal);
    }

    fn kill_tree(&self) {
        self.signal_tree(Signal::SIGKILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for the end of the first process of a group and kills what is left of the group. The ended process is not
/// collected yet, so its number still means this group and no other.
fn end_group_after(pid: Pid) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = killpg(pid, Signal::SIGKILL);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pid;
}

/// The last `lines` lines of a file from byte `start` on, at most 16 KiB of them.
fn last_lines(log: &Path, start: u64, lines: usize) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(16 * 1024))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
