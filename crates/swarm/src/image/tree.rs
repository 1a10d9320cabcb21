//! The files of an image, laid out in a folder.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;

use crate::command::{program, run};

/// A root file system in the making.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// An empty one.
    pub(crate) fn new(root: &Path) -> anyhow::Result<Tree> {
        if root.exists() {
            fs::remove_dir_all(root)?;
        }
        fs::create_dir_all(root)?;
        let tree = Tree { root: root.to_path_buf() };
        tree.text("/etc/passwd", "root:x:0:0::/:/none\npostgres:x:999:999::/:/none\nkeycloak:x:1000:0::/:/none\nlivehouse:x:65532:65532::/:/none\n")?;
        tree.text("/etc/group", "root:x:0:\npostgres:x:999:\nlivehouse:x:65532:\n")?;
        tree.text("/etc/nsswitch.conf", "hosts: files dns\n")?;
        tree.folder("/tmp", 0, 0o1777)?;
        Ok(tree)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, path: &str) -> anyhow::Result<PathBuf> {
        let place = self.root.join(path.trim_start_matches('/'));
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(place)
    }

    /// A folder of this owner and mode: a volume mounted there takes them over.
    pub(crate) fn folder(&self, path: &str, owner: u32, mode: u32) -> anyhow::Result<()> {
        let place = self.place(path)?;
        fs::create_dir_all(&place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
        chown(&place, Some(owner), Some(owner))
            .with_context(|| format!("give {} to {owner}", place.display()))
    }

    /// A text file that everybody may read.
    pub(crate) fn text(&self, path: &str, content: &str) -> anyhow::Result<()> {
        fs::write(self.place(path)?, content).with_context(|| format!("write {path}"))
    }

    /// A file as it is, to be run.
    pub(crate) fn executable(&self, from: &Path, path: &str) -> anyhow::Result<()> {
        let place = self.place(path)?;
        fs::copy(from, &place).with_context(|| format!("copy {}", from.display()))?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> anyhow::Result<()> {
        symlink(target, self.place(path)?).with_context(|| format!("link {path}"))
    }

    /// A program with the libraries it is linked to.
    pub(crate) async fn program(&self, from: &Path, path: &str) -> anyhow::Result<()> {
        self.executable(from, path)?;
        self.libraries_of(from).await
    }

    /// A program without what only a debugger reads.
    pub(crate) async fn stripped(&self, from: &Path, path: &str) -> anyhow::Result<()> {
        self.program(from, path).await?;
        run(program("strip", ["--strip-debug"]).arg(self.place(path)?), Duration::from_secs(60))
            .await
            .map(drop)
    }

    /// A program of this machine, at the same place.
    pub(crate) async fn of_machine(&self, name: &str) -> anyhow::Result<()> {
        let file = crate::machine::find(name).with_context(|| format!("this machine has no {name}"))?;
        self.program(&file, &format!("/usr/bin/{name}")).await
    }

    /// A whole folder; what its links point to is in it as files.
    pub(crate) async fn copy(&self, from: &Path, path: &str) -> anyhow::Result<()> {
        let place = self.place(path)?;
        fs::create_dir_all(&place)?;
        // Debian's Java has a link to sources that come with another package.
        let script = "set -o pipefail; tar -C \"$1\" --exclude=src.zip --dereference -c . | tar -C \"$2\" -x";
        let mut copy = program("bash", ["-c", script, "copy"]);
        run(copy.arg(from).arg(place), Duration::from_secs(120)).await.map(drop)
    }

    /// The libraries that a program or library is linked to, where it looks for them.
    pub(crate) async fn libraries_of(&self, file: &Path) -> anyhow::Result<()> {
        // A static program has none, and ldd says so with an exit code.
        let Ok(said) = run(program("ldd", [""; 0]).arg(file), Duration::from_secs(20)).await else {
            return Ok(());
        };
        for line in said.lines() {
            let path =
                line.split("=>").last().unwrap_or_default().trim().split(' ').next().unwrap_or_default();
            // What lies beside the program comes with its folder.
            let is_of_system = ["/lib", "/usr/lib"].iter().any(|folder| path.starts_with(folder));
            if is_of_system && !self.root.join(path.trim_start_matches('/')).exists() {
                self.executable(Path::new(path), path)?;
            }
        }
        Ok(())
    }

    /// A shell with what scripts use.
    pub(crate) async fn shell(&self) -> anyhow::Result<()> {
        for name in SHELL {
            self.of_machine(name).await?;
        }
        self.link("/bin", "usr/bin").or_else(|_| self.link("/bin/sh", "/usr/bin/bash"))?;
        self.link("/usr/bin/sh", "bash")
    }
}

/// What scripts of the stacks call.
pub(super) const SHELL: [&str; 33] = [
    "bash", "basename", "cat", "chmod", "chown", "cmp", "cp", "cut", "date", "dirname", "env", "find",
    "flock", "grep", "head", "id", "install", "ls", "mkdir", "mktemp", "mv", "printf", "realpath", "rm",
    "sed", "sleep", "sort", "stat", "tail", "touch", "tr", "uname", "test",
];
