//! Go programs, built from a `go.mod` and `go.sum` that pin them by checksum.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{Part, all_on_path, version_of_go};
use crate::{Missing, Workspace, versions::pinned};

/// How long a build or a fetch may take before it counts as hanging.
const MINUTES_MAX: u64 = 15;

/// Builds `part` into the folder `to`.
pub(super) fn with_go(
    part: Part,
    workspace: &Workspace,
    to: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), Missing> {
    let go = go(part)?;
    let (module, folder) = match part {
        Part::NatsServer => ("github.com/nats-io/nats-server/v2", part.name()),
        Part::Loki => ("github.com/grafana/loki/v3/cmd/loki", part.name()),
        Part::Prometheus => ("github.com/prometheus/prometheus/cmd/prometheus", part.name()),
        Part::Promtool => ("github.com/prometheus/prometheus/cmd/promtool", Part::Prometheus.name()),
        _ => ("github.com/resgateio/resgate", part.name()),
    };
    let version = part.pinned_version().unwrap_or_default();
    // These say a version only when they are told it.
    let flags = match part {
        Part::Loki => format!("-s -w -X github.com/grafana/loki/v3/pkg/util/build.Version={version}"),
        Part::Prometheus | Part::Promtool => {
            format!("-s -w -X github.com/prometheus/common/version.Version={version}")
        }
        _ => "-s -w".to_owned(),
    };
    let sources = workspace.root().join("crates/parts/go").join(folder);
    let long = match part {
        Part::NatsServer | Part::Resgate => "about half a minute",
        _ => "some minutes",
    };
    progress(&format!("{part} {version}: building it from its sources, once ({long})"));
    let mut command = Command::new(go);
    command
        .current_dir(&sources)
        .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(to.join(part.name()))
        .arg(module)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off");
    let by_hand = format!("cd {} && CGO_ENABLED=0 go build -o /tmp/{part} {module}", sources.display());
    run(part, &mut command, &to.with_extension("log"), &by_hand)
}

/// Builds the collector with the components of the project's manifest into the folder `to`.
pub(super) fn collector(
    workspace: &Workspace,
    to: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), Missing> {
    let part = Part::Otelcol;
    let go = go(part)?;
    let version = pinned("OTELCOL_VERSION");
    let builder = format!("go.opentelemetry.io/collector/cmd/builder@v{version}");
    let manifest = workspace.root().join("stack/images/otelcol/manifest.yaml");
    progress(&format!("{part} {version}: building it from its sources, once (some minutes)"));
    let mut command = Command::new(go);
    command
        .current_dir(to)
        .args(["run", &builder, "--config"])
        .arg(&manifest)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off");
    let by_hand = format!("go run {builder} --config {}", manifest.display());
    run(part, &mut command, &to.with_extension("log"), &by_hand)?;
    // The manifest says where it builds; only the program is kept.
    std::fs::rename(to.join("build/otelcol"), to.join("otelcol"))
        .and_then(|()| std::fs::remove_dir_all(to.join("build")))
        .map_err(|error| part.missing(&format!("it was built, but is not there: {error}"), &by_hand))
}

/// A Go that is new enough.
fn go(part: Part) -> Result<std::path::PathBuf, Missing> {
    let oldest = pinned("GO_VERSION_MIN");
    let how = format!("install Go {oldest} or newer, or put {part} {} on the PATH", part.oldest_version());
    let go = all_on_path("go").into_iter().next();
    let go = go.ok_or_else(|| part.missing("it is built with Go, which is not installed", &how))?;
    if let Some(version) =
        version_of_go(&go).filter(|version| *version < crate::Version::pinned("GO_VERSION_MIN"))
    {
        return Err(part.missing(&format!("it is built with Go {oldest}, but Go here is {version}"), &how));
    }
    Ok(go)
}

/// Runs a command with its output in `log`; what it said last is the reason when it fails.
#[expect(clippy::disallowed_methods, reason = "not a task of the runtime: this thread may wait")]
pub(super) fn run(part: Part, command: &mut Command, log: &Path, by_hand: &str) -> Result<(), Missing> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut start = || -> std::io::Result<std::process::Child> {
        let file = std::fs::File::create(log)?;
        command.stdin(std::process::Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()
    };
    let mut child =
        start().map_err(|error| part.missing(&format!("cannot run {program}: {error}"), by_hand))?;
    let deadline = Instant::now() + Duration::from_secs(MINUTES_MAX * 60);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(part.missing(&format!("{program} took more than {MINUTES_MAX} minutes"), by_hand));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(8)..].join("\n    ");
    Err(part.missing(&format!("{program} failed ({status}):\n    {end}"), by_hand))
}
