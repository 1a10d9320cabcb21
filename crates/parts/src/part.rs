//! Where a real program comes from: the PATH, the private cache, or its registry.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use crate::{
    Error, Missing, Workspace,
    versions::{Version, pinned},
};

mod build;
mod cache;
mod fetch;
mod system;

/// A real program Livehouse runs on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Part {
    /// The message broker.
    NatsServer,
    /// The gateway between NATS and browsers.
    Resgate,
    /// The database: `postgres`, with `initdb` and `pg_ctl` beside it.
    Postgres,
    /// KeyDB, Valkey or Redis, whichever is there.
    KeyValueServer,
    /// The browser of the browser tests.
    Chromium,
    /// The collector of traces, metrics and logs, with the components that this project uses.
    Otelcol,
    /// Keeps log lines, and alerts about them.
    Loki,
    /// Keeps metrics and evaluates rules: what Mimir does in the swarm.
    Prometheus,
    /// Checks and tests rules.
    Promtool,
}

/// Where a program was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// On the PATH of this machine.
    Path,
    /// In the private cache of the project.
    Cache,
}

/// A program that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its file.
    pub path: PathBuf,
    /// Its version as it says itself.
    pub version: Version,
    /// Where it was found.
    pub origin: Origin,
}

impl Part {
    /// What `cargo dev up` needs, in the order it starts them.
    pub const OF_A_SALE: [Part; 4] = [Part::Postgres, Part::NatsServer, Part::KeyValueServer, Part::Resgate];

    /// Its name: also that of its folder in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Part::NatsServer => "nats-server",
            Part::Resgate => "resgate",
            Part::Postgres => "postgres",
            Part::KeyValueServer => "redis-server",
            Part::Chromium => "chromium",
            Part::Otelcol => "otelcol",
            Part::Loki => "loki",
            Part::Prometheus => "prometheus",
            Part::Promtool => "promtool",
        }
    }

    /// The names of programs on the PATH that will do, the best first.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Part::NatsServer => &["nats-server"],
            Part::Resgate => &["resgate"],
            Part::Postgres => &["postgres"],
            Part::KeyValueServer => &["keydb-server", "valkey-server", "redis-server"],
            Part::Chromium => &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
            // One from elsewhere has other components.
            Part::Otelcol => &[],
            Part::Loki => &["loki"],
            Part::Prometheus => &["prometheus"],
            Part::Promtool => &["promtool"],
        }
    }

    /// The version that is built or fetched; none for what comes from the system's packages.
    pub fn pinned_version(self) -> Option<&'static str> {
        match self {
            Part::NatsServer => Some(pinned("NATS_SERVER_VERSION")),
            Part::Resgate => Some(pinned("RESGATE_VERSION")),
            Part::Postgres => Some(pinned("POSTGRES_VERSION")),
            Part::Otelcol => Some(pinned("OTELCOL_VERSION")),
            Part::Loki => Some(pinned("LOKI_VERSION")),
            Part::Prometheus | Part::Promtool => Some(pinned("PROMETHEUS_VERSION")),
            Part::KeyValueServer | Part::Chromium => None,
        }
    }

    /// The oldest version taken from the PATH.
    pub fn oldest_version(self) -> Version {
        Version::pinned(match self {
            Part::NatsServer => "NATS_SERVER_VERSION_MIN",
            Part::Resgate => "RESGATE_VERSION_MIN",
            Part::Postgres => "POSTGRES_VERSION_MIN",
            Part::KeyValueServer => "REDIS_VERSION_MIN",
            Part::Chromium => "CHROMIUM_VERSION_MIN",
            Part::Otelcol => "OTELCOL_VERSION_MIN",
            Part::Loki => "LOKI_VERSION_MIN",
            Part::Prometheus | Part::Promtool => "PROMETHEUS_VERSION_MIN",
        })
    }

    /// The program if it is here already: on the PATH in a version that fits, or in the cache.
    pub fn find(self, workspace: &Workspace) -> Option<Found> {
        self.find_on_path().or_else(|| self.find_in_cache(workspace))
    }

    /// The program, built or fetched when it is not here. `progress` is told what takes time and why. Waits while
    /// another process is getting the same program.
    pub fn ensure(self, progress: &(dyn Fn(&str) + Sync)) -> Result<Found, Missing> {
        static FOUND: Mutex<Option<HashMap<Part, Found>>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.get_or_insert_default();
        if let Some(part) = known.get(&self).filter(|part| part.path.exists()) {
            return Ok(part.clone());
        }
        let part = self.ensure_in(&Workspace::find(), progress)?;
        known.insert(self, part.clone());
        Ok(part)
    }

    /// [`Part::ensure`] with the cache of another workspace.
    pub fn ensure_in(
        self,
        workspace: &Workspace,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Found, Missing> {
        if let Some(found) = self.find(workspace) {
            cache::link(self, workspace, &found);
            return Ok(found);
        }
        match self {
            Part::NatsServer | Part::Resgate | Part::Loki | Part::Prometheus | Part::Promtool => {
                cache::fill(self, workspace, progress, |to| build::with_go(self, workspace, to, progress))?;
            }
            Part::Otelcol => {
                cache::fill(self, workspace, progress, |to| build::collector(workspace, to, progress))?;
            }
            Part::Postgres => {
                cache::fill(self, workspace, progress, |to| fetch::postgres(workspace, to, progress))?;
            }
            Part::KeyValueServer | Part::Chromium => system::install(self, workspace, progress)?,
        }
        let found = self.find(workspace).ok_or_else(|| Missing {
            what: self.name().into(),
            why: "it was fetched, but does not say its version when asked".into(),
            how: format!("run {} --version and see what it says", self.program_in_cache(workspace).display()),
        })?;
        cache::link(self, workspace, &found);
        Ok(found)
    }

    /// [`Part::ensure`] away from the runtime's threads, saying on standard error what takes time.
    pub(crate) async fn ensure_in_background(self) -> Result<Found, Error> {
        #[allow(clippy::print_stderr)]
        let get = move || self.ensure(&|line| eprintln!("{line}"));
        tokio::task::spawn_blocking(get)
            .await
            .map_err(|error| Error::Missing(self.missing(&error.to_string(), "try again")))?
            .map_err(Error::Missing)
    }

    fn find_on_path(self) -> Option<Found> {
        let candidates = self.programs().iter().flat_map(|program| all_on_path(program));
        candidates
            .filter_map(|path| if self == Part::Postgres { path.canonicalize().ok() } else { Some(path) })
            .filter(|path| self.is_complete(path))
            .filter_map(|path| Some((version_of(&path)?, path)))
            .find(|(version, _)| *version >= self.oldest_version())
            .map(|(version, path)| Found { path, version, origin: Origin::Path })
    }

    fn find_in_cache(self, workspace: &Workspace) -> Option<Found> {
        self.pinned_version()?;
        let path = self.program_in_cache(workspace);
        // A program that does not know its version was built at the one that its folder is named after.
        let pinned = || self.pinned_version().and_then(Version::first_in);
        let version = path.is_file().then(|| version_of(&path).or_else(pinned))??;
        Some(Found { path, version, origin: Origin::Cache })
    }

    /// Postgres without `initdb` beside it is of no use.
    fn is_complete(self, path: &Path) -> bool {
        self != Part::Postgres || path.with_file_name("initdb").is_file()
    }

    fn program_in_cache(self, workspace: &Workspace) -> PathBuf {
        let folder = cache::folder(self, workspace);
        match self {
            Part::Postgres => folder.join("bin/postgres"),
            _ => folder.join(self.name()),
        }
    }

    pub(crate) fn missing(self, why: &str, how: &str) -> Missing {
        let what = match self.pinned_version() {
            Some(version) => format!("{} {version}", self.name()),
            None => format!("{} {} or newer", self.name(), self.oldest_version()),
        };
        Missing { what, why: why.to_string(), how: how.to_string() }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Every program of this name on the PATH. Links are not followed: some programs go by the name they are called by.
fn all_on_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).filter(|file| file.is_file()).collect()
}

/// What a program says its version is.
pub(crate) fn version_of(program: &Path) -> Option<Version> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    Version::first_in(&String::from_utf8_lossy(&output.stdout))
        .or_else(|| Version::first_in(&String::from_utf8_lossy(&output.stderr)))
}

/// Go says its version its own way.
fn version_of_go(go: &Path) -> Option<Version> {
    let output = Command::new(go).args(["env", "GOVERSION"]).stdin(Stdio::null()).output().ok()?;
    Version::first_in(&String::from_utf8_lossy(&output.stdout))
}
