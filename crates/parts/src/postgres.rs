//! A private PostgreSQL with databases made on request.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rand::Rng;
use tokio_postgres::{Client, NoTls};

use crate::{
    Account, Error, Part, ProcessSpec, StopSignal,
    account::reachable_place_for,
    server::{Kind, Server, write_private},
};

/// A private PostgreSQL.
pub type PostgresServer = Server<Postgres>;

/// The one user of a private PostgreSQL: it may do everything there.
const USER: &str = "livehouse";
/// A longer path of a socket is refused by systems.
const SOCKET_PATH_BYTES_MAX: usize = 80;

/// What a caller may choose about a Postgres.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Its port; none: a free one.
    pub port: Option<u16>,
    /// Whether a commit is on the disk before it is answered. Off only for tests that do not pull plugs.
    pub durable: bool,
    /// Further settings, as in `postgresql.conf`; they win over the built-in ones.
    pub settings: Vec<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> PostgresOptions {
        PostgresOptions { port: None, durable: true, settings: Vec::new() }
    }
}

/// What is particular to Postgres.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    password: String,
}

impl Kind for Postgres {
    async fn ready(&self) -> Result<(), String> {
        let client = self.connect("postgres").await.map_err(|error| reason_of(&error))?;
        client.simple_query("select 1").await.map(drop).map_err(|error| reason_of(&error))
    }
}

impl Postgres {
    fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    async fn connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Server<Postgres> {
    /// Starts Postgres with its data in `folder`, which is prepared the first time. It listens on 127.0.0.1 and, when
    /// the folder's path is short enough, on a socket in it. As root it runs under an unprivileged account, and when
    /// that account cannot reach `folder` the data goes to a place it can ([`Server::folder`] tells which).
    pub async fn start(
        folder: impl Into<PathBuf>,
        options: PostgresOptions,
    ) -> Result<PostgresServer, Error> {
        let program = Part::Postgres.ensure_in_background().await?.path;
        let account = Account::for_programs_that_refuse_root()?;
        let asked = folder.into();
        let folder = if account.is_some() { reachable_place_for(&asked) } else { asked };
        let prepared = Prepared::make(&folder, &program, account.as_ref(), options.durable).await?;
        let at = folder.clone();
        Server::launch(folder, "postgres", options.port, move |port| {
            let password = prepared.password.clone();
            let spec = ProcessSpec {
                account: account.clone(),
                stop_signal: if options.durable { StopSignal::Interrupt } else { StopSignal::Quit },
                environment_without: postgres_variables(),
                folder: Some(prepared.data.clone()),
                ..ProcessSpec::new("postgres", &program, at.join("postgres.log"))
            };
            let spec = spec
                .arguments(["-D".into(), prepared.data.clone().into_os_string()])
                .arguments(
                    settings(port, &at, &options).into_iter().flat_map(|setting| ["-c".into(), setting]),
                )
                .environment("LC_ALL", "C");
            Ok((spec, Postgres { port, password }))
        })
        .await
    }

    /// Where a Postgres that is asked to live in `folder` really keeps its data: elsewhere when this user is root and the
    /// account that runs Postgres cannot reach `folder`.
    pub fn place_for(folder: &Path) -> PathBuf {
        match Account::for_programs_that_refuse_root() {
            Ok(Some(_)) => reachable_place_for(folder),
            _ => folder.to_path_buf(),
        }
    }

    /// `postgres://livehouse:PASSWORD@127.0.0.1:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        self.kind.url(database)
    }

    /// A connection to a database, on the runtime of the caller.
    pub async fn connect(&self, database: &str) -> Result<Client, Error> {
        self.kind.connect(database).await.map_err(refused(format!("connect to {database}")))
    }

    /// Makes an empty database, unless there is one of this name. Says whether it was made.
    pub async fn create_database(&self, name: &str) -> Result<bool, Error> {
        self.create(name, "template0").await
    }

    /// Makes a copy of another database, unless there is one of this name. Nobody may be connected to the template.
    pub async fn create_from_template(&self, name: &str, template: &str) -> Result<bool, Error> {
        self.create(name, template).await
    }

    /// Deletes a database and breaks off its connections; nothing when there is none.
    pub async fn drop_database(&self, name: &str) -> Result<(), Error> {
        let statement = format!("drop database if exists {} with (force)", quoted(name));
        let client = self.connect("postgres").await?;
        client.batch_execute(&statement).await.map_err(refused(format!("drop the database {name}")))
    }

    async fn create(&self, name: &str, template: &str) -> Result<bool, Error> {
        let client = self.connect("postgres").await?;
        let what = format!("make the database {name}");
        let there = client
            .query_opt("select 1 from pg_database where datname = $1", &[&name])
            .await
            .map_err(refused(what.clone()))?;
        if there.is_some() {
            return Ok(false);
        }
        // A copy by files is quicker than one through the log when nobody waits for a checkpoint anyway.
        let statement = format!("create database {} template {}", quoted(name), quoted(template));
        client.batch_execute(&statement).await.map_err(refused(what))?;
        Ok(true)
    }
}

/// A data folder that is ready to start, and the password of its user.
struct Prepared {
    data: PathBuf,
    password: String,
}

impl Prepared {
    async fn make(
        folder: &Path,
        program: &Path,
        account: Option<&Account>,
        durable: bool,
    ) -> Result<Prepared, Error> {
        fs::create_dir_all(folder).map_err(Error::system(format!("make the folder {}", folder.display())))?;
        if account.is_some() {
            let through = PermissionsExt::from_mode(0o711);
            fs::set_permissions(folder, through)
                .map_err(Error::system(format!("open {}", folder.display())))?;
        }
        let data = folder.join("data");
        let password_file = folder.join("password");
        if !data.is_dir() {
            let password: [u8; 24] = rand::rng().random();
            let password: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
            write_private(&password_file, &password)?;
            let (folder, program, account) = (folder.to_path_buf(), program.to_path_buf(), account.cloned());
            tokio::task::spawn_blocking(move || initialise(&folder, &program, account.as_ref(), durable))
                .await
                .map_err(|error| Error::Postgres {
                    what: "initialise".into(),
                    reason: error.to_string(),
                })??;
        }
        let socket = folder.join("socket");
        fs::create_dir_all(&socket)
            .map_err(Error::system(format!("make the folder {}", socket.display())))?;
        if let Some(account) = account {
            account.own(&socket)?;
            account.own_all(&data)?;
        }
        let password = fs::read_to_string(&password_file)
            .map_err(Error::system(format!("read {}", password_file.display())))?;
        Ok(Prepared { data, password })
    }
}

/// Makes the data folder beside its place and moves it there when it is whole.
fn initialise(folder: &Path, program: &Path, account: Option<&Account>, durable: bool) -> Result<(), Error> {
    let fresh = folder.join("data.new");
    let password_file = folder.join("password.new");
    let prepare = || -> std::io::Result<()> {
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::create_dir(&fresh)?;
        fs::set_permissions(&fresh, PermissionsExt::from_mode(0o700))?;
        fs::copy(folder.join("password"), &password_file).map(drop)
    };
    prepare().map_err(Error::system(format!("prepare {}", fresh.display())))?;
    if let Some(account) = account {
        account.own(&fresh)?;
        account.own(&password_file)?;
    }
    let mut command = Command::new(program.with_file_name("initdb"));
    command.arg("--pgdata").arg(&fresh).arg("--pwfile").arg(&password_file);
    command.args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]);
    command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]);
    if !durable {
        command.arg("--no-sync");
    }
    for name in postgres_variables() {
        command.env_remove(name);
    }
    command.env("TZ", "UTC").current_dir(folder);
    if let Some(account) = account {
        use std::os::unix::process::CommandExt;
        command.uid(account.user).gid(account.group);
    }
    let output = command.output().map_err(Error::system("start initdb"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_string();
        return Err(Error::Postgres { what: format!("initialise {}", fresh.display()), reason });
    }
    fs::remove_file(&password_file)
        .and_then(|()| fs::rename(&fresh, folder.join("data")))
        .map_err(Error::system(format!("move {} to its place", fresh.display())))
}

fn settings(port: u16, folder: &Path, options: &PostgresOptions) -> Vec<std::ffi::OsString> {
    let socket = folder.join("socket");
    let sockets = if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX { PathBuf::new() } else { socket };
    let mut settings: Vec<(String, String)> = [
        ("port", port.to_string().as_str()),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", &sockets.to_string_lossy()),
        ("shared_buffers", "256MB"),
        ("max_connections", "200"),
        ("max_wal_size", "2GB"),
        // Statements here are short: compiling them costs more than it saves.
        ("jit", "off"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_line_prefix", "%m [%p] %d "),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    if !options.durable {
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            settings.push((name.into(), "off".into()));
        }
    }
    settings.extend(options.settings.iter().cloned());
    settings.into_iter().map(|(name, value)| format!("{name}={value}").into()).collect()
}

/// Variables that would change what the programs of Postgres do.
fn postgres_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("PG") || name.starts_with("LC_") || name == "LANG").collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn refused(what: String) -> impl FnOnce(tokio_postgres::Error) -> Error {
    move |error| Error::Postgres { what, reason: reason_of(&error) }
}

fn reason_of(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
