//! `cargo dev bench`: measurements of the running system, by the release build of `livehouse-bench`.

use std::process::Stdio;

use anyhow::Context;
use livehouse_parts::Workspace;
use tokio::process::Command;

use crate::{cli::BenchOptions, terminal::Terminal};

/// What measures.
const MEASURE: &str = "livehouse-bench";
/// Programs that a measurement starts: they are what is measured, so they are built as they are deployed.
const SERVICES: [&str; 2] = ["livehouse-tickets", "livehouse-identity"];
/// The measurement that starts none of them; it builds what it compares by itself.
const WITHOUT_SERVICES: &str = "protocol";

/// Builds, then hands over: the measurement speaks for itself.
pub(crate) async fn run(options: BenchOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let workspace = Workspace::find();
    let root = workspace.root().to_path_buf();
    // What measures without services builds by itself what it measures.
    let (what, services): (_, &[&str]) = match options.name.as_deref() {
        Some(WITHOUT_SERVICES) => ("a release build of what measures", &[]),
        _ => ("release builds: what is measured is what is deployed", &SERVICES),
    };
    terminal
        .step(what, |_| async {
            // One by one, as the measurement asks for them again: built together they would share the features of
            // all, and be built twice.
            for package in [MEASURE].iter().chain(services) {
                let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
                build.args(["build", "--quiet", "--release", "--package", package]);
                build.current_dir(&root).stdin(Stdio::null()).stdout(Stdio::null());
                let status = build.status().await.context("run cargo")?;
                anyhow::ensure!(
                    status.success(),
                    "the release build failed: cargo build --release --package {package}"
                );
            }
            Ok(())
        })
        .await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut measure = Command::new(target.join("release/livehouse-bench"));
    measure.args(options.name);
    if options.json {
        measure.arg("--json");
    }
    if let Some(seconds) = options.seconds {
        measure.args(["--seconds", &seconds.to_string()]);
    }
    if let Some(replicas) = options.replicas {
        measure.args(["--replicas", &replicas.to_string()]);
    }
    let status =
        measure.current_dir(&root).stdin(Stdio::null()).status().await.context("run livehouse-bench")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
