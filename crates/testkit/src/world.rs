//! One world per test.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use livehouse_parts::{
    KeyValueOptions, KeyValueServer, NatsOptions, NatsServer, PostgresOptions, PostgresServer, Resgate,
    ResgateOptions,
};
use rand::Rng;
use tempfile::TempDir;

use crate::{
    Browser,
    service::ServiceBuilder,
    shared::{self, Template},
};

/// A server of this world's own, or one it shares.
#[derive(Debug)]
enum Held<S: 'static> {
    Own(S),
    Shared(&'static S),
}

impl<S> Held<S> {
    fn get(&self) -> &S {
        match self {
            Held::Own(server) => server,
            Held::Shared(server) => server,
        }
    }
}

/// Real servers on private ports with their data in a private folder. All of it is gone when this is dropped.
#[derive(Debug)]
pub struct World {
    // Ended in this order: who uses a server ends before it.
    resgate: Option<Resgate>,
    keydb: Option<KeyValueServer>,
    nats: Option<Held<NatsServer>>,
    postgres: Option<Held<PostgresServer>>,
    databases: HashMap<String, String>,
    session_key_file: PathBuf,
    folder: TempDir,
}

impl World {
    /// A world without servers; add what the test needs.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The broker.
    ///
    /// # Panics
    /// When the world was built without one.
    pub fn nats(&self) -> &NatsServer {
        self.nats.as_ref().map(Held::get).expect("this world has no NATS: add .nats() to its builder")
    }

    /// The database server.
    ///
    /// # Panics
    /// When the world was built without one.
    pub fn postgres(&self) -> &PostgresServer {
        self.postgres
            .as_ref()
            .map(Held::get)
            .expect("this world has no Postgres: add .postgres(NAME) to its builder")
    }

    /// The key-value server.
    ///
    /// # Panics
    /// When the world was built without one.
    pub fn keydb(&self) -> &KeyValueServer {
        self.keydb.as_ref().expect("this world has no KeyDB: add .keydb() to its builder")
    }

    /// The gateway.
    ///
    /// # Panics
    /// When the world was built without one.
    pub fn resgate(&self) -> &Resgate {
        self.resgate.as_ref().expect("this world has no Resgate: add .resgate() to its builder")
    }

    /// The URL of this world's database that was asked for as `name`.
    ///
    /// # Panics
    /// When the world was built without it.
    pub fn postgres_url(&self, name: &str) -> String {
        let database = self.databases.get(name);
        let database =
            database.unwrap_or_else(|| panic!("this world has no database {name}: add .postgres({name:?})"));
        self.postgres().url(database)
    }

    /// A file with a fresh key for signing guest sessions: 64 hexadecimal digits.
    pub fn session_key_file(&self) -> &Path {
        &self.session_key_file
    }

    /// A real browser without a window, with a profile of its own.
    pub async fn browser(&self) -> anyhow::Result<Browser> {
        Browser::start(&self.folder.path().join("browser")).await
    }

    /// The folder of this world, for whatever else a test writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A service of this workspace as a process of its own, told of this world's servers: `livehouse-tickets`.
    pub fn service(&self, package: &str) -> ServiceBuilder {
        let mut builder = ServiceBuilder::new(package, self.folder.path());
        if let Some(nats) = &self.nats {
            builder = builder.environment("LIVEHOUSE_NATS_URL", nats.get().url());
        }
        if let Some(keydb) = &self.keydb {
            builder = builder.environment("LIVEHOUSE_KEYDB_URL", keydb.url());
        }
        // One database per service, named as the service is.
        let own = package.trim_start_matches("livehouse-");
        if self.databases.contains_key(own) {
            builder = builder.environment("LIVEHOUSE_POSTGRES_URL", self.postgres_url(own));
        }
        if let Some(resgate) = &self.resgate {
            builder = builder
                .environment("LIVEHOUSE_RESGATE_URL", resgate.url())
                .environment("LIVEHOUSE_LIVE_URL", resgate.live_url());
        }
        builder.environment("LIVEHOUSE_SESSION_KEY_FILE", self.session_key_file.as_os_str())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // The folder goes with the test; what the programs said last is what a person wants to read now.
        for entry in logs_in(self.folder.path()) {
            let text = fs::read_to_string(&entry).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(15)..].join("\n");
            #[allow(clippy::print_stderr)]
            if !end.is_empty() {
                eprintln!("--- the end of {}:\n{end}", entry.display());
            }
        }
    }
}

fn logs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut logs: Vec<PathBuf> = entries(folder).iter().flat_map(|path| entries(path)).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    logs
}

/// What a world is made of.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    nats: Option<Sharing>,
    postgres: Option<Sharing>,
    postgres_options: PostgresOptions,
    databases: Vec<(String, Option<Template>)>,
    keydb: bool,
    resgate: Option<ResgateOptions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Own,
    Shared,
}

impl Builder {
    /// A nats-server of its own, with JetStream.
    #[must_use]
    pub fn nats(mut self) -> Builder {
        self.nats = Some(Sharing::Own);
        self
    }

    /// The nats-server all tests of this program share: quicker, for tests whose subjects are theirs alone.
    #[must_use]
    pub fn shared_nats(mut self) -> Builder {
        self.nats = Some(Sharing::Shared);
        self
    }

    /// An empty database on the Postgres all tests of this program share.
    #[must_use]
    pub fn postgres(mut self, name: &str) -> Builder {
        self.postgres.get_or_insert(Sharing::Shared);
        self.databases.push((name.to_string(), None));
        self
    }

    /// A database with the tables of `template`, copied from it.
    #[must_use]
    pub fn postgres_from(mut self, name: &str, template: Template) -> Builder {
        self.postgres.get_or_insert(Sharing::Shared);
        self.databases.push((name.to_string(), Some(template)));
        self
    }

    /// The databases lie on a Postgres of this world's own, which waits for the disk and may be killed.
    #[must_use]
    pub fn own_postgres(mut self) -> Builder {
        self.postgres = Some(Sharing::Own);
        self
    }

    /// A Postgres of its own with these options.
    #[must_use]
    pub fn postgres_options(mut self, options: PostgresOptions) -> Builder {
        self.postgres_options = options;
        self.own_postgres()
    }

    /// A KeyDB, Valkey or Redis of its own.
    #[must_use]
    pub fn keydb(mut self) -> Builder {
        self.keydb = true;
        self
    }

    /// A Resgate of its own that asks nobody who a connection is. It needs `nats()`.
    #[must_use]
    pub fn resgate(self) -> Builder {
        self.resgate_with(ResgateOptions::default().without_authentication())
    }

    /// A Resgate of its own with these options.
    #[must_use]
    pub fn resgate_with(mut self, options: ResgateOptions) -> Builder {
        self.resgate = Some(options);
        self
    }

    /// Starts everything, and waits until each server answers.
    pub async fn start(self) -> anyhow::Result<World> {
        let folder = fresh_folder("world")?;
        let path = folder.path();
        let postgres = async {
            anyhow::Ok(match self.postgres {
                None => None,
                Some(Sharing::Shared) => Some(Held::Shared(shared::postgres().await?)),
                Some(Sharing::Own) => {
                    let options = self.postgres_options.clone();
                    Some(Held::Own(PostgresServer::start(path.join("postgres"), options).await?))
                }
            })
        };
        let nats = async {
            anyhow::Ok(match self.nats {
                None => None,
                Some(Sharing::Shared) => Some(Held::Shared(shared::nats().await?)),
                Some(Sharing::Own) => {
                    Some(Held::Own(NatsServer::start(path.join("nats"), NatsOptions::default()).await?))
                }
            })
        };
        let keydb = async {
            anyhow::Ok(if self.keydb {
                Some(KeyValueServer::start(path.join("keydb"), KeyValueOptions::default()).await?)
            } else {
                None
            })
        };
        let (postgres, nats, keydb) = tokio::try_join!(postgres, nats, keydb)?;
        let mut databases = HashMap::new();
        for (name, template) in self.databases {
            let server = postgres.as_ref().map(Held::get).context("a database without Postgres")?;
            let database = shared::database(server, &name, template).await?;
            databases.insert(name, database);
        }
        let resgate = match (self.resgate, &nats) {
            (None, _) => None,
            (Some(_), None) => bail!("a world with Resgate needs NATS: add .nats() to its builder"),
            (Some(options), Some(nats)) => {
                Some(Resgate::start(path.join("resgate"), &nats.get().url(), options).await?)
            }
        };
        let session_key_file = path.join("session.key");
        let key: [u8; 32] = rand::rng().random();
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(&session_key_file, key).context("write the session key")?;
        Ok(World { resgate, keydb, nats, postgres, databases, session_key_file, folder })
    }
}

/// A private folder that other accounts may pass through (Postgres runs under one when the tests run as root), with what
/// killed test programs left behind deleted first.
pub(crate) fn fresh_folder(name: &str) -> anyhow::Result<TempDir> {
    sweep();
    tempfile::Builder::new()
        .prefix(&format!("livehouse-test-{}-{name}-", std::process::id()))
        .permissions(fs::Permissions::from_mode(0o711))
        .tempdir()
        .context("make a folder for the servers of this test: is the disk full?")
}

/// Deletes the folders of test programs that are gone.
fn sweep() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix("livehouse-test-"));
            let owner = owner.and_then(|rest| rest.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
            let gone = |pid| livehouse_parts::Identity::of(pid).started.is_empty();
            if owner.is_some_and(gone) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    });
}
