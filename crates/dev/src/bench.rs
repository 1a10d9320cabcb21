//! `cargo dev bench`: measurements of the running system, by the release build of `livehouse-bench`.

use std::process::Stdio;

use anyhow::Context;
use livehouse_parts::Workspace;
use tokio::process::Command;

use crate::{cli::BenchOptions, terminal::Terminal};

/// Programs that a measurement starts: they are what is measured, so they are built as they are deployed.
const PACKAGES: [&str; 3] = ["livehouse-bench", "livehouse-tickets", "livehouse-identity"];

/// Builds, then hands over: the measurement speaks for itself.
pub(crate) async fn run(options: BenchOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let workspace = Workspace::find();
    let root = workspace.root().to_path_buf();
    terminal
        .step("release builds: what is measured is what is deployed", |_| async {
            let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            build
                .args(["build", "--quiet", "--release"])
                .current_dir(&root)
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            for package in PACKAGES {
                build.args(["--package", package]);
            }
            let status = build.status().await.context("run cargo")?;
            anyhow::ensure!(status.success(), "the release builds failed: cargo build --release");
            Ok(())
        })
        .await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut measure = Command::new(target.join("release/livehouse-bench"));
    measure.args(options.name);
    if options.json {
        measure.arg("--json");
    }
    let status =
        measure.current_dir(&root).stdin(Stdio::null()).status().await.context("run livehouse-bench")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
