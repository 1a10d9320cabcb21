//! `cargo dev test`: every test of the project, or those of one name.

use std::time::Instant;

use livehouse_parts::{Part, Workspace};
use tokio::process::Command;

use crate::{
    assemble::{self, openly},
    cli::TestOptions,
    signals::StopSignals,
    terminal::{Paint, Terminal, duration},
};

/// Runs the tests of the Rust crates, of the web client and of the browser, one after the other: all of them, also after
/// a failure. 0 when all pass, else 1.
pub(crate) async fn run(options: TestOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let mut signals = StopSignals::catch()?;
    tokio::select! {
        code = all(&options, terminal) => code,
        code = signals.next() => {
            terminal.note("the tests were broken off");
            Ok(code.max(1))
        }
    }
}

async fn all(options: &TestOptions, terminal: &Terminal) -> anyhow::Result<u8> {
    let workspace = Workspace::find();
    let started = Instant::now();
    for part in Part::OF_A_SALE {
        assemble::part(part, terminal).await?;
    }
    let browser_tests = workspace.root().join("tests/browser");
    if browser_tests.is_dir() {
        assemble::part(Part::Chromium, terminal).await?;
    }
    assemble::web(&workspace, terminal).await?;
    assemble::services(&workspace, false, terminal).await?;

    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--workspace", "--no-fail-fast"]).args(&options.name).current_dir(workspace.root());
    let mut runs = vec![("Rust", cargo)];
    runs.push(("web client", npm_test(&workspace.root().join("web"), options)));
    if browser_tests.is_dir() {
        assemble::install_packages(&browser_tests, "the browser tests' packages", terminal).await?;
        runs.push(("browser", npm_test(&browser_tests, options)));
    } else {
        terminal.note("there are no browser tests in tests/browser");
    }
    let mut outcomes = Vec::new();
    for (what, mut command) in runs {
        let began = Instant::now();
        terminal.line(&format!("\n{}", Paint::Strong.on(&format!("{what} tests"), terminal.colour())));
        let passed = openly(&mut command).await?.success();
        outcomes.push((what, passed, began.elapsed()));
    }
    terminal.line("");
    for (what, passed, took) in &outcomes {
        let mark = if *passed {
            Paint::Good.on("✓", terminal.colour())
        } else {
            Paint::Bad.on("✗", terminal.colour())
        };
        terminal.line(&format!("{mark} {what} tests  {}", duration(*took)));
    }
    terminal.line(&format!("in all {}", duration(started.elapsed())));
    Ok(u8::from(outcomes.iter().any(|(_, passed, _)| !passed)))
}

/// The test runner of a folder of the web side; a name that fits none of its tests is no failure there.
fn npm_test(folder: &std::path::Path, options: &TestOptions) -> Command {
    let mut command = Command::new("npm");
    command.args(["test", "--silent"]).current_dir(folder);
    if let Some(name) = &options.name {
        command.args(["--", "--testNamePattern", name, "--passWithNoTests"]);
    }
    command
}
