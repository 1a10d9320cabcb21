//! The private cache: filled once, whole or not at all.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use livehouse_parts::{Origin, Part, Workspace};

/// A workspace of its own with the sources of Resgate, the part that is built quickest.
fn workspace() -> (tempfile::TempDir, Workspace) {
    let folder = tempfile::Builder::new().prefix("livehouse-parts-").tempdir().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("go/resgate");
    let copy = folder.path().join("crates/parts/go/resgate");
    fs::create_dir_all(&copy).unwrap();
    for file in ["go.mod", "go.sum"] {
        fs::copy(sources.join(file), copy.join(file)).unwrap();
    }
    let workspace = Workspace::at(folder.path());
    (folder, workspace)
}

#[test]
fn two_that_need_a_part_at_once_build_it_once() {
    let (_kept, workspace) = workspace();
    if Part::Resgate.find(&workspace).is_some() {
        // It is on the PATH: nothing is ever built on this machine.
        return;
    }
    let builds = AtomicUsize::new(0);
    let progress = |line: &str| {
        builds.fetch_add(usize::from(line.contains("building")), Ordering::Relaxed);
    };
    let get = || Part::Resgate.ensure_in(&workspace, &progress).unwrap();
    let (one, two) = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(get), scope.spawn(get));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(one, two);
    assert_eq!(one.origin, Origin::Cache);
    assert_eq!(one.version.to_string(), Part::Resgate.pinned_version().unwrap());
    assert_eq!(builds.into_inner(), 1);
    let link = workspace.parts().join("bin/resgate");
    assert_eq!(fs::read_link(link).unwrap(), one.path);
}

#[test]
fn a_build_that_fails_says_what_failed_and_what_to_do_and_leaves_nothing_that_looks_whole() {
    let (_kept, workspace) = workspace();
    if Part::Resgate.find(&workspace).is_some() {
        return;
    }
    fs::write(workspace.root().join("crates/parts/go/resgate/go.sum"), "").unwrap();
    let missing = Part::Resgate.ensure_in(&workspace, &|_| {}).unwrap_err();
    assert!(missing.what.contains("resgate"), "{missing}");
    assert!(missing.why.contains("go.sum"), "{missing}");
    assert!(missing.how.contains("go build"), "{missing}");
    assert!(Part::Resgate.find(&workspace).is_none());
}
