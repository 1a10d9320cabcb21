//! The private cache: one folder per program and version, filled by one process at a time, whole or not at all.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{Found, Part};
use crate::{Account, Missing, Workspace, account::reachable_place_for};

/// Where the pinned version of a part is kept.
pub(super) fn folder(part: Part, workspace: &Workspace) -> PathBuf {
    let version = part.pinned_version().unwrap_or("system");
    let folder = workspace.parts().join(format!("{}-{version}", part.name()));
    // Postgres runs under another account when we are root, and that account must get at its files.
    let other_account =
        part == Part::Postgres && matches!(Account::for_programs_that_refuse_root(), Ok(Some(_)));
    if other_account { reachable_place_for(&folder) } else { folder }
}

/// Lets `get` fill a fresh folder and moves that to the part's place. Of several processes one does it, the others
/// wait and find it done.
pub(super) fn fill(
    part: Part,
    workspace: &Workspace,
    progress: &(dyn Fn(&str) + Sync),
    get: impl FnOnce(&Path) -> Result<(), Missing>,
) -> Result<(), Missing> {
    let place = folder(part, workspace);
    let parts = place.parent().map_or_else(|| workspace.parts(), Path::to_path_buf);
    let trouble = |error: io::Error| {
        part.missing(
            &format!("cannot write {}: {error}", parts.display()),
            &format!("make room and let this user write there: ls -ld {}; df -h {0}", parts.display()),
        )
    };
    let _lock = lock(part, &parts, progress).map_err(trouble)?;
    if place.exists() && part.find_in_cache(workspace).is_some() {
        return Ok(());
    }
    let fresh = parts.join(format!("{}.new", part.name()));
    let start_afresh = || {
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir_all(&fresh)
    };
    start_afresh().map_err(trouble)?;
    get(&fresh)?;
    let finish = || {
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(&fresh, &place)
    };
    finish().map_err(trouble)
}

/// A lock the system lets go of when this process ends, in whatever way.
pub(super) fn lock(part: Part, parts: &Path, progress: &(dyn Fn(&str) + Sync)) -> io::Result<File> {
    fs::create_dir_all(parts)?;
    let file = File::create(parts.join(format!("{}.lock", part.name())))?;
    if file.try_lock().is_err() {
        progress(&format!("{part}: another process is getting it, waiting"));
        file.lock()?;
    }
    Ok(file)
}

/// Keeps `.livehouse/parts/bin` a folder with all programs in use, for people and scripts. Only a convenience: trouble
/// is no reason to fail.
pub(super) fn link(part: Part, workspace: &Workspace, found: &Found) {
    let bin = workspace.parts().join("bin");
    let mut programs = vec![(part.name(), found.path.clone())];
    if part == Part::Postgres {
        for tool in ["initdb", "pg_ctl"] {
            programs.push((tool, found.path.with_file_name(tool)));
        }
    }
    if fs::create_dir_all(&bin).is_err() {
        return;
    }
    for (name, target) in programs {
        let link = bin.join(name);
        if fs::read_link(&link).is_ok_and(|current| current == target) {
            continue;
        }
        let fresh = bin.join(format!(".{name}.{}", std::process::id()));
        let _ = symlink(&target, &fresh).and_then(|()| fs::rename(&fresh, &link));
    }
}
