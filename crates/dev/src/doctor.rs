//! `cargo dev doctor`: what this machine has, what it lacks, and what to do about it.

use std::{path::Path, process::Command};

use livehouse_parts::{Account, Origin, Part, Version, Workspace, free_bytes, is_free, versions::pinned};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::DoctorOptions,
    terminal::{Paint, Terminal, print},
    up::{USUAL_PORTS, state::State},
};

const GIBIBYTE: u64 = 1024 * 1024 * 1024;
const DISK_BYTES_WANTED: u64 = 8 * GIBIBYTE;
const DISK_BYTES_NEEDED: u64 = 2 * GIBIBYTE;
const MEMORY_BYTES_WANTED: u64 = 4 * GIBIBYTE;
const MEMORY_BYTES_NEEDED: u64 = 2 * GIBIBYTE;
/// Thousands of viewers are thousands of open files, in Resgate and in the measurement.
const OPEN_FILES_WANTED: u64 = 8192;
const OPEN_FILES_NEEDED: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    found: String,
    /// What to do; none when all is well.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, verdict: Verdict, found: impl Into<String>) -> Finding {
        Finding { what: what.into(), verdict, found: found.into(), advice: None }
    }

    fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = Some(advice.into());
        self
    }
}

/// Looks at everything. 1 when something needed is missing, else 0.
pub(crate) async fn run(options: DoctorOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let workspace = Workspace::find();
    let findings = tokio::task::spawn_blocking(move || {
        let mut findings =
            vec![rust(), toolchain("go", "GO_VERSION_MIN"), toolchain("node", "NODE_VERSION_MIN"), npm()];
        findings.extend(
            Part::OF_A_SALE.into_iter().chain([Part::Chromium]).map(|wanted| part(wanted, &workspace)),
        );
        findings.push(account());
        findings.extend(ports(&workspace));
        findings.push(disk(&workspace));
        findings.push(memory());
        findings.push(open_files());
        findings.push(backlog());
        findings
    })
    .await?;
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    if options.json {
        print(&json!({ "ok": !failed, "findings": findings }).to_string());
    } else {
        for finding in &findings {
            show(finding, terminal);
        }
    }
    Ok(u8::from(failed))
}

fn show(finding: &Finding, terminal: &Terminal) {
    let colour = terminal.colour();
    let word = match finding.verdict {
        Verdict::Ok => Paint::Good.on("ok  ", colour),
        Verdict::Warn => Paint::Warn.on("warn", colour),
        Verdict::Fail => Paint::Bad.on("fail", colour),
    };
    print(&format!("{word}  {:<14} {}", finding.what, finding.found));
    if let Some(advice) = &finding.advice {
        print(&format!("      {:<14} {}", "", Paint::Strong.on(advice, colour)));
    }
}

/// What a program prints first, if it is there.
fn says(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_string();
    output.status.success().then_some(text)
}

fn rust() -> Finding {
    match (says("cargo", "--version"), says("rustc", "--version")) {
        (Some(cargo), Some(rustc)) => Finding::new("rust", Verdict::Ok, format!("{rustc}; {cargo}")),
        _ => Finding::new("rust", Verdict::Fail, "cargo or rustc is not on the PATH")
            .advice("install rustup; it takes the version rust-toolchain.toml names"),
    }
}

/// A tool that is used when its version is not older than the one in `versions.env`.
fn toolchain(program: &str, oldest: &str) -> Finding {
    let argument = if program == "go" { "version" } else { "--version" };
    let advice = format!("install {program} {} or newer", pinned(oldest));
    let needed =
        if program == "go" { "it builds nats-server and Resgate" } else { "it builds the web client" };
    match says(program, argument) {
        None => Finding::new(program, Verdict::Fail, format!("not on the PATH; {needed}")).advice(advice),
        Some(said) if Version::first_in(&said) < Some(Version::pinned(oldest)) => {
            Finding::new(program, Verdict::Fail, format!("{said} is too old; {needed}")).advice(advice)
        }
        Some(said) => Finding::new(program, Verdict::Ok, said),
    }
}

fn npm() -> Finding {
    match says("npm", "--version") {
        Some(version) => Finding::new("npm", Verdict::Ok, version),
        None => {
            Finding::new("npm", Verdict::Fail, "not on the PATH").advice("install npm; it comes with Node")
        }
    }
}

fn part(part: Part, workspace: &Workspace) -> Finding {
    match part.find(workspace) {
        Some(found) => {
            let origin = if found.origin == Origin::Path { "on the PATH" } else { "in the project's cache" };
            let found = format!("{} {origin}: {}", found.version, found.path.display());
            Finding::new(part.name(), Verdict::Ok, found)
        }
        None if part.pinned_version().is_some() => {
            let found = format!(
                "not here yet; {} is fetched when it is needed",
                part.pinned_version().unwrap_or_default()
            );
            Finding::new(part.name(), Verdict::Ok, found)
        }
        None => {
            let without = match part {
                Part::KeyValueServer => "without it a sale runs degraded",
                _ => "without it there are no browser tests",
            };
            let found = format!("{} or newer is not on the PATH; {without}", part.oldest_version());
            Finding::new(part.name(), Verdict::Warn, found).advice(format!("apt-get install {}", part.name()))
        }
    }
}

fn account() -> Finding {
    match Account::for_programs_that_refuse_root() {
        Ok(None) => Finding::new("account", Verdict::Ok, "an ordinary user: Postgres runs as it is"),
        Ok(Some(account)) => {
            Finding::new("account", Verdict::Ok, format!("root: Postgres runs as {}", account.name))
        }
        Err(error) => Finding::new("account", Verdict::Fail, error.to_string()),
    }
}

fn ports(workspace: &Workspace) -> Vec<Finding> {
    if State::of_running_sale(workspace).is_ok() {
        return vec![Finding::new("ports", Verdict::Ok, "a sale is running: cargo dev up has them")];
    }
    let usual = [
        ("site", USUAL_PORTS.site),
        ("Resgate", USUAL_PORTS.resgate),
        ("NATS", USUAL_PORTS.nats),
        ("Postgres", USUAL_PORTS.postgres),
        ("KeyDB", USUAL_PORTS.keydb),
    ];
    let taken: Vec<String> = usual
        .into_iter()
        .filter(|(_, port)| !is_free(*port))
        .map(|(what, port)| format!("{port} ({what})"))
        .collect();
    if taken.is_empty() {
        let all = usual.map(|(_, port)| port.to_string()).join(", ");
        return vec![Finding::new("ports", Verdict::Ok, format!("{all} are free"))];
    }
    let found = format!("taken by other programs: {}", taken.join(", "));
    vec![Finding::new("ports", Verdict::Warn, found).advice("nothing: the next free ones are used and named")]
}

fn disk(workspace: &Workspace) -> Finding {
    let Some(free) = free_bytes(workspace.root()) else {
        return Finding::new("disk", Verdict::Warn, "the system does not say how much is free");
    };
    let found = format!("{:.1} GiB free", gibibytes(free));
    let advice = "make room: a build and a sale need about 8 GiB";
    match free {
        DISK_BYTES_WANTED.. => Finding::new("disk", Verdict::Ok, found),
        DISK_BYTES_NEEDED.. => Finding::new("disk", Verdict::Warn, found).advice(advice),
        _ => Finding::new("disk", Verdict::Fail, found).advice(advice),
    }
}

fn memory() -> Finding {
    let Some(free) = memory_free() else {
        return Finding::new("memory", Verdict::Ok, "this system does not say how much is free");
    };
    let found = format!("{:.1} GiB free", gibibytes(free));
    let advice = "close something large: a sale and a build need about 4 GiB";
    match free {
        MEMORY_BYTES_WANTED.. => Finding::new("memory", Verdict::Ok, found),
        MEMORY_BYTES_NEEDED.. => Finding::new("memory", Verdict::Warn, found).advice(advice),
        _ => Finding::new("memory", Verdict::Fail, found).advice(advice),
    }
}

#[allow(clippy::cast_precision_loss)]
fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / GIBIBYTE as f64
}

fn memory_free() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Finding {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let Some(limit) = line.and_then(|line| line.split_whitespace().next()).map(|word| word.parse::<u64>())
    else {
        return Finding::new("open files", Verdict::Ok, "this system does not say how many are allowed");
    };
    // A word that is no number says that there is no limit.
    let limit = limit.unwrap_or(u64::MAX);
    let found = if limit == u64::MAX { "no limit".to_string() } else { format!("{limit} per process") };
    let advice = format!("ulimit -n {OPEN_FILES_WANTED}");
    match limit {
        OPEN_FILES_WANTED.. => Finding::new("open files", Verdict::Ok, found),
        OPEN_FILES_NEEDED.. => {
            let found = format!("{found}: enough for a sale, too few to measure thousands of viewers");
            Finding::new("open files", Verdict::Warn, found).advice(advice)
        }
        _ => Finding::new("open files", Verdict::Fail, found).advice(advice),
    }
}

fn backlog() -> Finding {
    let file = Path::new("/proc/sys/net/core/somaxconn");
    let Some(backlog) = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u32>().ok())
    else {
        return Finding::new(
            "backlog",
            Verdict::Ok,
            "this system does not say how many connections may wait",
        );
    };
    let found = format!("{backlog} connections may wait to be accepted");
    if backlog >= 1024 {
        return Finding::new("backlog", Verdict::Ok, found);
    }
    Finding::new("backlog", Verdict::Warn, found)
        .advice("sysctl net.core.somaxconn=4096, for large measurements")
}
