//! Where the real programs are that the tests start.

use std::path::{Path, PathBuf};

/// A program: what its variable names, else from the PATH, else what the workspace keeps in `.livehouse/parts`.
pub(crate) fn find(name: &str, variable: &str) -> PathBuf {
    if let Some(program) = std::env::var_os(variable) {
        return program.into();
    }
    in_path(name).or_else(|| kept(name)).unwrap_or_else(|| {
        panic!(
            "these tests need a {name}: name it in {variable}, put it on the PATH, or let `cargo dev test` get it"
        )
    })
}

/// The first program of this name in the PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

fn kept(name: &str) -> Option<PathBuf> {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let kept = roots.map(|root| root.join(".livehouse/parts")).flat_map(|parts| {
        let versions = std::fs::read_dir(&parts).into_iter().flatten().flatten().map(|entry| entry.path());
        let versions = versions.filter(|path| path.to_string_lossy().contains(name));
        let in_versions = versions.flat_map(|path| [path.join(name), path.join("bin").join(name), path]);
        std::iter::once(parts.join("bin").join(name)).chain(in_versions).collect::<Vec<_>>()
    });
    kept.into_iter().find(|program| program.is_file())
}
