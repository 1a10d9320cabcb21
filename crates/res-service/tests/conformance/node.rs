//! The tests in Node: installing what they need, running them, showing what they say.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use tokio::process::Command;

use crate::programs;

/// How long all tests may take together.
const TESTS_TIME_MAX: Duration = Duration::from_secs(180);
const INSTALL_TIME_MAX: Duration = Duration::from_secs(120);
/// How long one test may take, for Node.
const TEST_TIME_MAX_MILLISECONDS: u32 = 45_000;
/// Files at the same time: they mostly wait.
const FILES_AT_ONCE: u32 = 6;
/// Arguments for `node --test` besides, e.g. `--test-name-pattern=e05`.
const ARGUMENTS: &str = "CONFORMANCE_ARGUMENTS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn program(name: &str) -> PathBuf {
    programs::in_path(name).unwrap_or_else(|| {
        panic!("these tests need {name}: install Node 20.19 or later, which has it, and put it on the PATH")
    })
}

/// `npm ci`, unless what the lock file says is installed already.
pub(crate) async fn install() {
    let changed = |file: &str| -> Option<SystemTime> {
        std::fs::metadata(folder().join(file)).and_then(|file| file.modified()).ok()
    };
    let installed = changed("node_modules/.package-lock.json");
    if installed.is_some() && installed >= changed("package-lock.json") {
        return;
    }
    let mut npm = Command::new(program("npm"));
    let (output, finished) = said(npm.arg("ci"), INSTALL_TIME_MAX).await;
    assert!(
        finished,
        "`npm ci` in {} failed; it needs the npm registry or a filled npm cache:\n{output}",
        folder().display()
    );
}

/// Runs every test file, and fails as they fail.
pub(crate) async fn run(addresses: &[(&str, String)]) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are no tests in {}", folder().display());
    let mut node = Command::new(program("node"));
    node.args(["--test", "--test-reporter=spec"])
        .arg(format!("--test-concurrency={FILES_AT_ONCE}"))
        .arg(format!("--test-timeout={TEST_TIME_MAX_MILLISECONDS}"))
        .args(std::env::var(ARGUMENTS).unwrap_or_default().split_whitespace())
        .args(files)
        .envs(addresses.iter().map(|(name, address)| (name, address)))
        // Set by an outer `node --test`, it would change what this one prints.
        .env_remove("NODE_TEST_CONTEXT");
    let (output, succeeded) = said(&mut node, TESTS_TIME_MAX).await;
    eprintln!("{output}");
    assert!(succeeded, "tests in Node failed: see above");
}

/// Runs a program in the folder of the tests to its end or the end of its time.
async fn said(command: &mut Command, time_max: Duration) -> (String, bool) {
    let what = format!("{:?}", command.as_std().get_program());
    command.current_dir(folder()).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(time_max, command.output()).await {
        Ok(Ok(Output { status, stdout, stderr })) => {
            let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            (text, status.success())
        }
        Ok(Err(error)) => (format!("{what} does not start: {error}"), false),
        Err(_) => (format!("{what} did not end within {time_max:?}"), false),
    }
}
