//! One node: an engine with its own network, its own host name and its own place for data.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::{
    command::{QUICK, program, run},
    machine, network, registry,
};

/// What an engine may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const STARTS_MAX: u32 = 3;
/// The longest path of a socket that Linux takes.
const SOCKET_PATH_MAX: usize = 107;
const PAUSE: Duration = Duration::from_millis(200);

/// A node of the swarm. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) number: u8,
    folder: PathBuf,
}

impl Node {
    pub(crate) fn new(number: u8, nodes: &Path) -> Node {
        Node { number, folder: nodes.join(number.to_string()) }
    }

    /// Its host name.
    pub(crate) fn name(&self) -> String {
        format!("node-{}", self.number)
    }

    /// Its address on the bridge.
    pub(crate) fn address(&self) -> String {
        network::address(self.number)
    }

    /// Where its engine listens.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The folder of a volume on this node.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.folder.join("data/volumes").join(name).join("_data")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    /// The docker client for this node's engine.
    pub(crate) fn docker<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = program(machine::find("docker").unwrap_or_else(|| "docker".into()), arguments);
        command.env("DOCKER_HOST", self.host()).env_remove("DOCKER_CONTEXT");
        command
    }

    /// [`Node::docker`] run to its end; what it said, without the last line's end.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(&mut self.docker(arguments), QUICK).await.map(|said| said.trim_end().to_string())
    }

    /// Whether the engine answers.
    pub(crate) async fn answers(&self) -> bool {
        let mut ask = self.docker(["version", "--format", "{{.Server.Version}}"]);
        run(&mut ask, Duration::from_secs(5)).await.is_ok()
    }

    /// Starts the engine, unless it runs.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        if self.answers().await {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        let longest = self.folder.join("exec/containerd/containerd.sock.ttrpc");
        if longest.as_os_str().len() > SOCKET_PATH_MAX {
            bail!(
                "the path {} is too long for a socket: keep the repository in a folder with a shorter name",
                longest.display()
            );
        }
        for tried in 1.. {
            self.kill_all().await?;
            let mut engine = self.spawn()?;
            let until = Instant::now() + START_DEADLINE;
            loop {
                if self.answers().await {
                    return Ok(());
                }
                let ended = engine.try_wait()?;
                if ended.is_some() || Instant::now() > until {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            if tried == STARTS_MAX {
                break;
            }
        }
        let log = fs::read_to_string(self.folder.join("dockerd.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        bail!(
            "the engine of {} does not start; it said last:\n  {}",
            self.name(),
            lines[lines.len().saturating_sub(8)..].join("\n  ")
        )
    }

    fn spawn(&self) -> anyhow::Result<tokio::process::Child> {
        for leftover in ["pid", "exec/containerd/containerd.pid"] {
            let _none = fs::remove_file(self.folder.join(leftover));
        }
        let log = File::options().create(true).append(true).open(self.folder.join("dockerd.log"))?;
        let folder = self.folder.display();
        // Mounts of its own, with an empty /run and its data where engines have theirs: so services can mount the socket and
        // the logs of their own node.
        let script = format!(
            "mkdir -p /var/lib/docker {folder}/data && mount --make-rprivate / && mount -t tmpfs tmpfs /run && \
             mount --bind {folder}/data /var/lib/docker && hostname {} && exec dockerd \
             --data-root {folder}/data --exec-root {folder}/exec --pidfile {folder}/pid \
             --host unix://{folder}/sock --host unix:///run/docker.sock --storage-driver overlay2 \
             --insecure-registry {registry} --registry-mirror http://{registry} --max-concurrent-downloads 2 --log-level warn",
            self.name(),
            registry = registry::ADDRESS,
        );
        let mut engine = program("setsid", ["nsenter"]);
        engine
            .arg(format!("--net={}", network::namespace_file(self.number).display()))
            .args(["unshare", "--mount", "--uts", "bash", "-c", &script])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        engine.spawn().context("cannot start an engine: run nsenter")
    }

    /// The power fails: its cable is dead and every process of it is gone, without a word to anybody.
    pub(crate) async fn power_off(&self) -> anyhow::Result<()> {
        network::plug(self.number, false).await?;
        self.kill_all().await
    }

    /// Ends whatever runs of it, whether or not it has a cable.
    pub(crate) async fn end(&self) -> anyhow::Result<()> {
        self.kill_all().await
    }

    /// The power is back.
    pub(crate) async fn power_on(&self) -> anyhow::Result<()> {
        network::plug(self.number, true).await?;
        self.start().await
    }

    /// Kills the engine, what it started, and what that started, until nothing is left.
    async fn kill_all(&self) -> anyhow::Result<()> {
        let until = Instant::now() + STOP_DEADLINE;
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("processes of {} cannot be ended: {processes:?}", self.name());
            }
            for pid in processes {
                // It may be gone by now.
                let _gone =
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The processes of this node: those that name its folder, and all that descend from them.
    fn processes(&self) -> Vec<i32> {
        // How dockerd, containerd and its shims are told their place; whoever only reads a log there is left alone.
        let marks = ["--data-root", "--config", "-address"]
            .map(|option| format!("{option} {}/", self.folder.display()));
        let all = all_processes();
        let is_ours = |process: &&Process| marks.iter().any(|mark| process.command.contains(mark));
        let mut found: Vec<i32> = all.iter().filter(is_ours).map(|process| process.pid).collect();
        let mut next = 0;
        while next < found.len() {
            let parent = found[next];
            let children = all.iter().filter(|process| process.parent == parent).map(|process| process.pid);
            let new: Vec<i32> = children.filter(|child| !found.contains(child)).collect();
            found.extend(new);
            next += 1;
        }
        found
    }

    /// Removes its data. Its engine must not run.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).with_context(|| format!("remove {}", self.folder.display()))?;
        }
        Ok(())
    }
}

struct Process {
    pid: i32,
    parent: i32,
    command: String,
}

fn all_processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("stat")).ok()?;
            // pid (name) state parent …; a name may hold anything, also brackets.
            let (_, rest) = status.rsplit_once(')')?;
            if rest.split_whitespace().next() == Some("Z") {
                return None;
            }
            let parent = rest.split_whitespace().nth(1)?.parse().ok()?;
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            Some(Process { pid, parent, command })
        })
        .collect()
}
