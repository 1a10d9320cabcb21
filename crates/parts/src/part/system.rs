//! What comes from the system's packages.

use std::process::Command;

use super::{Part, all_on_path, build::run, cache};
use crate::{Missing, Workspace};

/// Installs the package of `part` when this user may, else says the command.
pub(super) fn install(
    part: Part,
    workspace: &Workspace,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), Missing> {
    let package = part.name();
    let apt = all_on_path("apt-get").into_iter().next();
    let brew = all_on_path("brew").into_iter().next();
    let by_hand = match (&apt, &brew) {
        (Some(_), _) => format!("sudo apt-get install -y --no-install-recommends {package}"),
        (None, Some(_)) if part == Part::KeyValueServer => "brew install redis".to_string(),
        (None, Some(_)) => "brew install --cask chromium".to_string(),
        (None, None) => format!("install {package} with this system's packages"),
    };
    let Some(apt) = apt.filter(|_| nix::unistd::geteuid().is_root()) else {
        return Err(part.missing("it is not on the PATH and this user cannot install packages", &by_hand));
    };
    let parts = workspace.parts();
    let _lock = cache::lock(part, &parts, progress)
        .map_err(|error| part.missing(&format!("cannot write {}: {error}", parts.display()), &by_hand))?;
    if part.find_on_path().is_some() {
        return Ok(());
    }
    progress(&format!("{part}: installing it with apt-get, once"));
    let log = parts.join(format!("{part}.log"));
    let attempt = |arguments: &[&str]| {
        let mut command = Command::new(&apt);
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(part, &mut command, &log, &by_hand)
    };
    let install = ["install", "-y", "--no-install-recommends", package];
    // A machine that never fetched its lists knows no packages yet.
    attempt(&install).or_else(|_| attempt(&["update"]).and_then(|()| attempt(&install)))
}
