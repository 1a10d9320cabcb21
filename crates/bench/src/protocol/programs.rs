//! The programs of the comparison, built from `crates/res-service/benches`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use livehouse_testkit::cargo;
use livehouse_testkit::parts::{Workspace, versions::pinned};
use tokio::process::Command;

/// Where the programs are.
pub(super) struct Programs {
    /// The responders on async-nats and on `res-service`.
    pub(super) responder: PathBuf,
    /// The service on go-res.
    pub(super) service: PathBuf,
    /// What asks all of them.
    pub(super) driver: PathBuf,
}

impl Programs {
    /// Builds what is not up to date.
    pub(super) async fn build() -> anyhow::Result<Self> {
        let workspace = Workspace::find();
        let to = workspace.state().join("bench");
        std::fs::create_dir_all(&to).with_context(|| format!("cannot make the folder {}", to.display()))?;
        let sources = workspace.root().join("crates/res-service/benches/go");
        build_with_go(&sources, &to).await?;
        let responder = build_with_cargo().await?;
        Ok(Self { responder, service: to.join("service"), driver: to.join("driver") })
    }
}

async fn build_with_go(sources: &Path, to: &Path) -> anyhow::Result<()> {
    let mut go = Command::new("go");
    go.current_dir(sources).args(["build", "-o"]).arg(to).args(["./service", "./driver"]);
    go.env("GOFLAGS", "-mod=readonly -buildvcs=false").env("GOWORK", "off").stdin(Stdio::null());
    match go.status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("go build failed ({status}) in {}", sources.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "the comparison with go-res is built with Go, which is not on the PATH: install Go {} or newer",
            pinned("GO_VERSION_MIN")
        ),
        Err(error) => Err(error).context("cannot run go"),
    }
}

async fn build_with_cargo() -> anyhow::Result<PathBuf> {
    let build = [
        "build",
        "--quiet",
        "--profile=whole",
        "--package",
        "res-service",
        "--example",
        "responder",
        "--message-format=json-render-diagnostics",
    ];
    let mut cargo = Command::from(cargo());
    let output = cargo.args(build).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.await.context("cannot run cargo")?;
    anyhow::ensure!(output.status.success(), "the build failed: cargo {}", build.join(" "));
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages
        .filter(|message| message["target"]["name"] == "responder")
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next().context("cargo built no program responder")
}
