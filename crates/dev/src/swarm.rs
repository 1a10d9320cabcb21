//! `cargo dev swarm`: three nodes on this machine, by `livehouse-swarm`, which speaks for itself.

use std::process::Stdio;

use anyhow::Context;
use livehouse_parts::Workspace;
use tokio::process::Command;

use crate::{
    assemble::{self, openly},
    cli::SwarmOptions,
    terminal::Terminal,
};

/// What makes swarms.
const PACKAGE: &str = "livehouse-swarm";

/// Builds it and the web client, which goes into an image, and hands over.
pub(crate) async fn run(options: SwarmOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let workspace = Workspace::find();
    let root = workspace.root();
    let makes_images = options.rest.first().is_some_and(|verb| verb == "up" || verb == "test");
    let web = if makes_images { Some(assemble::web(&workspace, terminal).await?) } else { None };
    terminal
        .step(PACKAGE, |_| async {
            let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            build.args(["build", "--quiet", "--package", PACKAGE]).current_dir(root);
            let status =
                build.stdin(Stdio::null()).stdout(Stdio::null()).status().await.context("run cargo")?;
            anyhow::ensure!(status.success(), "it does not build: cargo build --package {PACKAGE}");
            Ok(())
        })
        .await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut swarm = Command::new(target.join("debug").join(PACKAGE));
    swarm.args(options.rest).envs(web.map(|web| ("LIVEHOUSE_WEB_DIST", web)));
    let status = openly(&mut swarm).await?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
