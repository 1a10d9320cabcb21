//! Where the project lies on this machine, and where its private files go.

use std::path::{Path, PathBuf};

/// The project's folder. Everything that is made while working on it goes below `.livehouse` there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace this program was built from, or the one named by `LIVEHOUSE_WORKSPACE`.
    pub fn find() -> Workspace {
        let built_from = || {
            let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
            manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
        };
        let root = std::env::var_os("LIVEHOUSE_WORKSPACE").map_or_else(built_from, PathBuf::from);
        Workspace { root }
    }

    /// A workspace at another place: for tests of the cache itself.
    pub fn at(root: impl Into<PathBuf>) -> Workspace {
        Workspace { root: root.into() }
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `.livehouse`: never committed, free to delete while nothing runs.
    pub fn state(&self) -> PathBuf {
        self.root.join(".livehouse")
    }

    /// The private cache of real programs.
    pub fn parts(&self) -> PathBuf {
        self.state().join("parts")
    }

    /// The folder of the running sale of `cargo dev up`: one sale per folder. `LIVEHOUSE_UP_FOLDER` names another one.
    pub fn up(&self) -> PathBuf {
        std::env::var_os("LIVEHOUSE_UP_FOLDER").map_or_else(|| self.state().join("up"), PathBuf::from)
    }
}
