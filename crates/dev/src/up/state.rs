//! What is known of the running sale, in a file that scripts and the other subcommands read.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use livehouse_parts::{Identity, Workspace};
use serde::{Deserialize, Serialize};

/// How long what a killed `up` left behind has to end by itself before it is killed.
const ORPHAN_SECONDS_MAX: u64 = 8;

/// The addresses and processes of a sale.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    /// `http://127.0.0.1:8000`.
    pub(crate) site: String,
    /// `http://127.0.0.1:8080`; resources are below `/api/`.
    pub(crate) resgate: String,
    /// `ws://127.0.0.1:8080/`.
    pub(crate) live: String,
    /// `nats://127.0.0.1:4222`.
    pub(crate) nats: String,
    /// The database of the tickets.
    pub(crate) postgres: String,
    /// `redis://127.0.0.1:6380`; none when the sale runs without it.
    pub(crate) keydb: Option<String>,
    /// One database per service.
    pub(crate) databases: BTreeMap<String, String>,
    /// The file of each service's program.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// The file with the key that signs guest sessions.
    pub(crate) session_key_file: PathBuf,
    /// Whether the sale is up: false while it is being started.
    pub(crate) ready: bool,
    /// `cargo dev up` itself.
    pub(crate) owner: Option<Identity>,
    /// Everything it started, by name.
    pub(crate) processes: BTreeMap<String, Identity>,
}

impl State {
    fn file(workspace: &Workspace) -> PathBuf {
        workspace.up().join("state.json")
    }

    /// The sale that runs now.
    pub(crate) fn of_running_sale(workspace: &Workspace) -> anyhow::Result<State> {
        let state = State::read(workspace);
        match state {
            Some(state) if state.owner.as_ref().is_some_and(Identity::is_alive) => {
                if !state.ready {
                    bail!("the sale is still being started: wait until `cargo dev up` says it is up");
                }
                Ok(state)
            }
            _ => bail!("no sale is running: start one with `cargo dev up`"),
        }
    }

    /// What the last `up` wrote; none when there was none.
    pub(crate) fn read(workspace: &Workspace) -> Option<State> {
        serde_json::from_slice(&fs::read(State::file(workspace)).ok()?).ok()
    }

    /// Writes it for others to read: whole or not at all.
    pub(crate) fn write(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let file = State::file(workspace);
        let fresh = file.with_extension("new");
        let text = serde_json::to_string_pretty(self)? + "\n";
        // It holds the password of the database.
        private_file(&fresh)
            .and_then(|mut open| open.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&fresh, &file))
            .with_context(|| format!("cannot write {}: is the disk full?", file.display()))
    }

    /// Forgets the sale: it has ended in order.
    pub(crate) fn delete(workspace: &Workspace) {
        let _ = fs::remove_file(State::file(workspace));
    }

    /// Ends what an `up` that was killed left running. Gives the names of what was still there.
    pub(crate) async fn end_orphans(workspace: &Workspace) -> Vec<String> {
        let Some(state) = State::read(workspace) else { return Vec::new() };
        let alive = |state: &State| -> Vec<(String, Identity)> {
            let processes = state.processes.iter().filter(|(_, identity)| identity.is_alive());
            processes.map(|(name, identity)| (name.clone(), identity.clone())).collect()
        };
        let orphans = alive(&state);
        for (_, identity) in &orphans {
            identity.end(true);
        }
        let deadline = Instant::now() + Duration::from_secs(ORPHAN_SECONDS_MAX);
        while !alive(&state).is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (_, identity) in alive(&state) {
            identity.end(false);
        }
        orphans.into_iter().map(|(name, _)| name).collect()
    }
}

/// The right to run a sale in this workspace. The system takes it back when this process ends, in whatever way.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Takes it, or says who has it.
    pub(crate) fn take(workspace: &Workspace) -> anyhow::Result<Lock> {
        let folder = workspace.up();
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}: is the disk full?", folder.display()))?;
        let path = folder.join("lock");
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                let owner = owner.trim();
                bail!(
                    "a sale is running already (process {owner}): use it, or stop it first with `kill {owner}`"
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Lock(file))
    }
}

/// A file only this account can read.
pub(crate) fn private_file(path: &std::path::Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().create(true).truncate(true).write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn two_sales_in_one_workspace_are_refused_with_the_first_ones_number() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        assert!(workspace.up().starts_with(folder.path()), "unset LIVEHOUSE_UP_FOLDER to run this test");
        let lock = Lock::take(&workspace).unwrap();
        let refused = Lock::take(&workspace).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(lock);
        // A process that another test is just starting has a copy of the file until it runs its program.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while let Err(error) = Lock::take(&workspace) {
            assert!(std::time::Instant::now() < deadline, "{error:#}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn what_a_killed_sale_left_behind_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        fs::create_dir_all(workspace.up()).unwrap();
        let mut orphan = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let identity = Identity::of(orphan.id());
        let someone_else = Identity { started: "another time".into(), ..Identity::own() };
        let processes = [("nats".to_string(), identity), ("resgate".to_string(), someone_else)];
        let state = State { processes: processes.into(), ..State::default() };
        state.write(&workspace).unwrap();
        assert_eq!(State::end_orphans(&workspace).await, ["nats"]);
        assert!(!orphan.wait().unwrap().success());
    }
}
