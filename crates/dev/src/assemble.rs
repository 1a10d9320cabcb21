//! Puts together what a sale is made of: the real programs, the web client, the services.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::SystemTime,
};

use anyhow::{Context, bail};
use livehouse_parts::{Found, Missing, Part, Workspace};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
};

use crate::terminal::{Step, Terminal};

/// The services of a sale: each a package with a program of the same name.
pub(crate) const SERVICES: [&str; 4] =
    ["livehouse-tickets", "livehouse-orders", "livehouse-identity", "livehouse-site"];

/// Lines of a failed command that are shown.
const LINES_OF_A_FAILURE: usize = 30;

/// Finds, builds or fetches a real program.
pub(crate) async fn part(part: Part, terminal: &Terminal) -> Result<Found, Missing> {
    let lost = |error: &dyn std::fmt::Display| Missing {
        what: part.to_string(),
        why: error.to_string(),
        how: "try again".into(),
    };
    let what = match part.pinned_version() {
        Some(version) => format!("{part} {version}"),
        None => part.to_string(),
    };
    let got = terminal.step(&what, |step| async move {
        let get = move || part.ensure(&|line| step.say(line));
        Ok(tokio::task::spawn_blocking(get).await??)
    });
    got.await.map_err(|error| error.downcast::<Missing>().unwrap_or_else(|error| lost(&error)))
}

/// Builds the web client when its sources are newer than what was built last. Gives the folder it is in.
pub(crate) async fn web(workspace: &Workspace, terminal: &Terminal) -> anyhow::Result<PathBuf> {
    let web = workspace.root().join("web");
    let dist = web.join("dist");
    install_packages(&web, "the web client's packages", terminal).await?;
    if is_older(&dist, &web)? {
        terminal
            .step("the web client", |step| async move {
                let mut command = Command::new("npm");
                command.args(["run", "build"]).current_dir(&web);
                quietly(&mut command, &step)
                    .await
                    .context("the web client does not build: cd web && npm run build")
            })
            .await?;
    }
    Ok(dist)
}

/// `npm ci`, when the lock file is newer than what is installed.
pub(crate) async fn install_packages(folder: &Path, what: &str, terminal: &Terminal) -> anyhow::Result<()> {
    let lock = folder.join("package-lock.json");
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&lock) {
        return Ok(());
    }
    terminal
        .step(what, |step| async move {
            step.say(&format!("{what}: fetching them (the lock file is newer than what is installed)"));
            let mut command = Command::new("npm");
            command.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder);
            quietly(&mut command, &step).await.with_context(|| format!("cd {} && npm ci", folder.display()))
        })
        .await
}

/// Builds the services and gives the file of each program.
pub(crate) async fn services(
    workspace: &Workspace,
    release: bool,
    terminal: &Terminal,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let what = if release { "the services, as they are deployed" } else { "the services" };
    terminal
        .step(what, |step| async move {
            let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            command.arg("build").current_dir(workspace.root());
            command.arg("--message-format=json-render-diagnostics");
            for service in SERVICES {
                command.args(["--package", service, "--bin", service]);
            }
            if release {
                command.arg("--release");
            }
            let output =
                gather(&mut command, &step).await.context("the services do not build: cargo build")?;
            let programs: BTreeMap<String, PathBuf> = output.lines().filter_map(program_in).collect();
            for service in SERVICES {
                if !programs.contains_key(service) {
                    bail!("cargo built no program {service}: is the package still in services/?");
                }
            }
            Ok(programs)
        })
        .await
}

/// The program one of cargo's messages tells of.
fn program_in(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let name = message["target"]["name"].as_str()?;
    let file = message["executable"].as_str()?;
    SERVICES.contains(&name).then(|| (name.to_string(), PathBuf::from(file)))
}

/// Runs a command whose words matter only when it fails.
pub(crate) async fn quietly(command: &mut Command, step: &Step) -> anyhow::Result<()> {
    gather(command, step).await.map(drop)
}

/// Runs a command, shows its latest line beside the spinner, and gives its standard output.
async fn gather(command: &mut Command, step: &Step) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(&program, error))?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (output, errors, status) =
        tokio::try_join!(lines_of(output, None), lines_of(errors, Some(step)), child.wait())?;
    if !status.success() {
        // What npm's tools have to say comes on either stream.
        let said: Vec<&str> =
            errors.lines().chain(output.lines()).filter(|line| !line.starts_with('{')).collect();
        let end = said[said.len().saturating_sub(LINES_OF_A_FAILURE)..].join("\n");
        bail!("{program} failed ({status}):\n{end}");
    }
    Ok(output)
}

async fn lines_of(stream: Option<impl AsyncRead + Unpin>, step: Option<&Step>) -> io::Result<String> {
    let Some(stream) = stream else { return Ok(String::new()) };
    let mut lines = BufReader::new(stream).lines();
    let mut all = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(step) = step {
            step.detail(line.trim());
        }
        all.push_str(&line);
        all.push('\n');
    }
    Ok(all)
}

/// Runs a command on the terminal as if it had been typed.
pub(crate) async fn openly(command: &mut Command) -> anyhow::Result<ExitStatus> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| not_started(&program, error))?;
    Ok(child.wait().await?)
}

fn not_started(program: &str, error: io::Error) -> anyhow::Error {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let hint = if missing { ": it is not installed; `cargo dev doctor` says what is needed" } else { "" };
    anyhow::Error::new(error).context(format!("cannot run {program}{hint}"))
}

/// Whether what was built is older than any of its sources, or not there.
fn is_older(dist: &Path, sources: &Path) -> anyhow::Result<bool> {
    if !dist.is_dir() {
        return Ok(true);
    }
    let built = newest_in(dist).with_context(|| format!("read {}", dist.display()))?;
    let newest = newest_in(sources).with_context(|| format!("read {}", sources.display()))?;
    Ok(newest > built)
}

/// When anything below `folder` that is written by hand was changed last.
fn newest_in(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if ["node_modules", "dist", "tests"].iter().any(|other| name == *other) {
            continue;
        }
        let time = if entry.file_type()?.is_dir() {
            newest_in(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        };
        newest = newest.max(time);
    }
    Ok(newest)
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}
