//! Passwords are renewed while they are used: the project's own files in the real programs.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures::StreamExt;
use livehouse_parts::{Account, Part, Workspace};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const READY_SECONDS_MAX: u64 = 20;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// `stack/secrets.sh`, which makes files here.
fn made(group: &str, version: u32, folder: &Path) -> std::process::Output {
    Command::new(root().join("stack/secrets.sh"))
        .args([group, &version.to_string()])
        .env("SECRETS_TO", folder)
        .env("DOMAIN", "tickets.example.org")
        .output()
        .unwrap()
}

/// Secrets as `stack/secrets.sh` makes them, in files.
fn secrets(group: &str, version: u32, folder: &Path) {
    let made = made(group, version, folder);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn secret(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap().trim().to_string()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A real program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(part: Part) -> PathBuf {
    let found = part.find(&Workspace::find());
    found.unwrap_or_else(|| panic!("there is no {}: cargo dev doctor says what to do", part.name())).path
}

/// One NATS server with the project's auth.conf, and room for the passwords of two versions.
struct Bus {
    folder: TempDir,
    port: u16,
    server: Option<Running>,
}

impl Bus {
    fn new() -> Bus {
        let bus = Bus { folder: tempfile::tempdir().unwrap(), port: free_port(), server: None };
        fs::copy(root().join("stack/bus/auth.conf"), bus.folder.path().join("auth.conf")).unwrap();
        let store = bus.folder.path().join("store");
        let conf = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: {:?} }}\ninclude ./auth.conf\n",
            bus.port,
            store.display()
        );
        fs::write(bus.folder.path().join("nats.conf"), conf).unwrap();
        bus
    }

    /// One that runs and accepts versions 1 and 2, which are `made` here.
    fn with_two_versions(made: &Path) -> (Bus, [PathBuf; 2]) {
        let versions = [made.join("1"), made.join("2")];
        secrets("bus", 1, &versions[0]);
        secrets("bus", 2, &versions[1]);
        let mut bus = Bus::new();
        bus.accepts(&versions[0], &versions[1]);
        bus.restart();
        (bus, versions)
    }

    fn accepts(&self, odd: &Path, even: &Path) {
        fs::copy(odd.join("nats_users"), self.folder.path().join("users_odd.conf")).unwrap();
        fs::copy(even.join("nats_users"), self.folder.path().join("users_even.conf")).unwrap();
    }

    fn restart(&mut self) {
        self.server = None;
        let mut command = Command::new(program(Part::NatsServer));
        command.args(["--config", "nats.conf"]).current_dir(self.folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.server = Some(Running(child));
    }

    /// Connects as the secret of a service says: user, password; the host is the one of this test.
    async fn connect(&self, secrets: &Path, service: &str) -> Result<async_nats::Client, String> {
        let url = secret(secrets, &format!("{service}_nats_url"));
        let authority = url.strip_prefix("nats://").unwrap().split('@').next().unwrap();
        let (user, password) = authority.split_once(':').unwrap();
        let deadline = Instant::now() + Duration::from_secs(READY_SECONDS_MAX);
        loop {
            let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
            match options.connect(format!("127.0.0.1:{}", self.port)).await {
                Ok(client) => return Ok(client),
                Err(error) if error.to_string().contains("authorization") => return Err(error.to_string()),
                Err(error) if Instant::now() > deadline => panic!("the bus does not answer: {error}"),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// A subscription is known to the server some time after it was asked for: says it again until it is heard.
async fn said_until_heard(from: &async_nats::Client, subject: &str, to: &mut async_nats::Subscriber) {
    for _ in 0..50 {
        from.publish(subject.to_owned(), "{}".into()).await.unwrap();
        from.flush().await.unwrap();
        if let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(100), to.next()).await {
            return;
        }
    }
    panic!("{subject} is not heard");
}

#[tokio::test]
async fn the_bus_accepts_the_version_in_use_and_the_next_and_refuses_the_one_before() {
    let made = tempfile::tempdir().unwrap();
    let (mut bus, versions) = Bus::with_two_versions(made.path());
    let third = made.path().join("3");
    secrets("bus", 3, &third);

    // At rest, and while clients change from version 1 to 2: both come in, and they hear each other.
    let old = bus.connect(&versions[0], "tickets").await.unwrap();
    let new = bus.connect(&versions[1], "orders").await.unwrap();
    let mut heard = new.subscribe("live.tickets").await.unwrap();
    said_until_heard(&old, "live.tickets", &mut heard).await;

    // Then version 3 takes the place of 1.
    bus.accepts(&third, &versions[1]);
    bus.restart();
    bus.connect(&versions[1], "tickets").await.unwrap();
    bus.connect(&third, "tickets").await.unwrap();
    assert!(bus.connect(&versions[0], "tickets").await.is_err(), "version 1 still comes in");
}

#[tokio::test]
async fn a_version_of_the_bus_gives_no_more_rights_than_the_one_before() {
    let made = tempfile::tempdir().unwrap();
    let (bus, versions) = Bus::with_two_versions(made.path());
    for version in &versions {
        let tickets = bus.connect(version, "tickets").await.unwrap();
        let orders = bus.connect(version, "orders").await.unwrap();
        // Only tickets answers for tickets: what orders subscribes to instead of it is refused.
        let mut stolen = orders.subscribe("call.tickets.>").await.unwrap();
        let mut own = tickets.subscribe("call.tickets.>").await.unwrap();
        let resgate = secret(version, "resgate_json");
        let authority = resgate.split("nats://").nth(1).unwrap().split('@').next().unwrap().to_string();
        let (user, password) = authority.split_once(':').unwrap();
        let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
        let resgate = options.connect(format!("127.0.0.1:{}", bus.port)).await.unwrap();
        said_until_heard(&resgate, "call.tickets.event.1.hold", &mut own).await;
        said_until_heard(&resgate, "call.tickets.event.1.hold", &mut own).await;
        let also = tokio::time::timeout(Duration::from_millis(200), stolen.next()).await;
        assert!(!matches!(also, Ok(Some(_))), "orders hears what is asked of tickets");
    }
}

/// What is made up where nobody said a certificate or where alerts go would take the place of what somebody said before.
#[test]
fn a_renewal_makes_nothing_up() {
    for (group, asks_for) in [("edge", "TLS_CERTIFICATE"), ("observability", "ALERT_WEBHOOK_URL")] {
        let folder = tempfile::tempdir().unwrap();
        secrets(group, 1, folder.path());
        let renewed = tempfile::tempdir().unwrap();
        let said = made(group, 2, renewed.path());
        let complaint = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && complaint.contains(asks_for), "{group}: {complaint}");
        assert_eq!(fs::read_dir(renewed.path()).unwrap().count(), 0, "{group} is there in part");
    }
}

#[tokio::test]
async fn replicas_of_tickets_hear_the_facts_of_each_other() {
    let made = tempfile::tempdir().unwrap();
    let (bus, versions) = Bus::with_two_versions(made.path());
    let one = bus.connect(&versions[0], "tickets").await.unwrap();
    let other = bus.connect(&versions[1], "tickets").await.unwrap();
    let mut heard = other.subscribe("fact.tickets.holds_changed.v1").await.unwrap();
    said_until_heard(&one, "fact.tickets.holds_changed.v1", &mut heard).await;
}

/// A service that stops sends itself a last message on each of its subscriptions, to know that none is before it.
#[tokio::test]
async fn services_may_tell_their_own_subscriptions_that_they_end() {
    let made = tempfile::tempdir().unwrap();
    let (bus, versions) = Bus::with_two_versions(made.path());
    for name in ["tickets", "orders", "identity"] {
        let service = bus.connect(&versions[0], name).await.unwrap();
        for subject in ["get.@", "get.@.end", "access.@", "access.@.end", "call.@.end", "auth.@.end"] {
            let subject = subject.replace('@', name);
            let mut own = service.subscribe(subject.clone()).await.unwrap();
            said_until_heard(&service, &subject, &mut own).await;
        }
    }
}

/// One PostgreSQL with the project's pg_hba.conf, as the keeper of the swarm's servers finds it.
struct Truth {
    folder: TempDir,
    port: u16,
    server: Option<Running>,
    replication: PathBuf,
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

impl Truth {
    /// A server that has the two roles which `livehouse-postgres serve` makes.
    fn new(made: &Path) -> Truth {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (port, data) = (free_port(), folder.path().join("data"));
        let replication = made.join("replication");
        secrets("replication", 1, &replication);
        let bin = program(Part::Postgres).parent().unwrap().to_path_buf();
        let as_account = |program: &str| {
            let mut command = Command::new(bin.join(program));
            if let Some(account) = Account::for_programs_that_refuse_root().unwrap() {
                command.uid(account.user).gid(account.group);
            }
            command
        };
        run(as_account("initdb").arg("--pgdata").arg(&data).args([
            "--username",
            "postgres",
            "--auth",
            "trust",
        ]));
        let access = folder.path().join("pg_hba.conf");
        fs::copy(root().join("stack/data/postgres/pg_hba.conf"), &access).unwrap();
        let socket = folder.path().display().to_string();
        let mut command = as_account("postgres");
        command.arg("-D").arg(&data).args([
            "-p",
            &port.to_string(),
            "-k",
            &socket,
            "-c",
            "wal_level=replica",
        ]);
        command.arg("-c").arg(format!("ident_file={}/pg_ident.conf", data.display()));
        // The superuser comes in by the socket only, as the account it is; here by any.
        let local = fs::read_to_string(&access).unwrap().replace("peer", "trust");
        fs::write(&access, local).unwrap();
        command.arg("-c").arg(format!("hba_file={}", access.display()));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let truth = Truth { folder, port, server: Some(Running(child)), replication };
        truth.make_keeper();
        truth
    }

    fn make_keeper(&self) {
        let password = secret(&self.replication, "keeper_postgres_password");
        let sql = format!("create role keeper login createrole createdb password '{password}'");
        let started = std::time::Instant::now();
        loop {
            let mut psql = Command::new("psql");
            psql.args(["-XAtq", "-h"]).arg(self.folder.path()).args([
                "-p",
                &self.port.to_string(),
                "-U",
                "postgres",
            ]);
            let output = psql.args(["-d", "postgres", "-c", &sql]).output();
            let output = output.expect("psql is needed: apt-get install postgresql-client");
            if output.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(started.elapsed().as_secs() < READY_SECONDS_MAX, "{said}");
        }
    }

    /// What the job of the stack does.
    fn roles(&self, odd: &Path, even: &Path) {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(odd.join("postgres_roles"), folder.path().join("postgres_roles_odd")).unwrap();
        fs::copy(even.join("postgres_roles"), folder.path().join("postgres_roles_even")).unwrap();
        let script = root().join("stack/images/postgres/livehouse-postgres");
        run(Command::new(script)
            .arg("roles")
            .arg(folder.path())
            .env("POSTGRES_KEEPER_PASSWORD_FILE", self.replication.join("keeper_postgres_password"))
            .env("POSTGRES_SERVERS", "127.0.0.1")
            .env("POSTGRES_PORT", self.port.to_string()));
    }

    async fn connect(&self, secrets: &Path) -> Result<tokio_postgres::Client, String> {
        let url = secret(secrets, "tickets_postgres_url");
        let url = url.replace("postgres-1:5432,postgres-2:5432", &format!("127.0.0.1:{}", self.port));
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .map_err(|error| format!("{error:?}"))?;
        tokio::spawn(connection);
        Ok(client)
    }
}

#[tokio::test]
async fn the_database_accepts_the_version_in_use_and_the_next_and_no_server_restarts() {
    let made = tempfile::tempdir().unwrap();
    let versions: Vec<PathBuf> = (1..=3).map(|version| made.path().join(version.to_string())).collect();
    for (index, folder) in versions.iter().enumerate() {
        secrets("data", u32::try_from(index + 1).unwrap(), folder);
    }
    let truth = Truth::new(made.path());
    assert!(truth.server.is_some());
    truth.roles(&versions[0], &versions[1]);

    // A table that the old user makes belongs to both: whoever migrates, everybody reads and alters.
    let old = truth.connect(&versions[0]).await.unwrap();
    old.batch_execute("create table seats (id int primary key); insert into seats values (1)").await.unwrap();
    let new = truth.connect(&versions[1]).await.unwrap();
    new.batch_execute("alter table seats add column row_name text; insert into seats values (2)")
        .await
        .unwrap();

    // Version 3 takes the place of 1: connections stay, new ones with version 1 are refused.
    truth.roles(&versions[2], &versions[1]);
    assert_eq!(old.query_one("select count(*) from seats", &[]).await.unwrap().get::<_, i64>(0), 2);
    truth.connect(&versions[1]).await.unwrap();
    truth.connect(&versions[2]).await.unwrap();
    let refused = truth.connect(&versions[0]).await.err().unwrap();
    assert!(refused.contains("password authentication failed"), "{refused}");
}

#[tokio::test]
async fn roles_are_kept_out_of_databases_that_are_not_theirs() {
    let made = tempfile::tempdir().unwrap();
    let versions = [made.path().join("1"), made.path().join("2")];
    secrets("data", 1, &versions[0]);
    secrets("data", 2, &versions[1]);
    let truth = Truth::new(made.path());
    truth.roles(&versions[0], &versions[1]);
    let url = secret(&versions[0], "tickets_postgres_url").replace("/tickets?", "/orders?");
    let url = url.replace("postgres-1:5432,postgres-2:5432", &format!("127.0.0.1:{}", truth.port));
    let refused = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.err().unwrap();
    assert!(format!("{refused:?}").contains("pg_hba.conf"), "{refused:?}");
}

#[test]
fn the_cache_accepts_the_version_in_use_and_the_next_and_nobody_without_a_password() {
    let made = tempfile::tempdir().unwrap();
    let folders = [1, 2, 3].map(|version| made.path().join(version.to_string()));
    (1..).zip(&folders).for_each(|(version, folder)| secrets("data", version, folder));
    secrets("replication", 1, &made.path().join("replication"));
    let port = free_port();
    let configuration = made.path().join("keydb.conf");
    let run_with = |odd: &Path, even: &Path| {
        let text = fs::read_to_string(root().join("stack/data/keydb.conf")).unwrap();
        let text = text
            .replace("/run/secrets/keydb.conf", made.path().join("replication/keydb_conf").to_str().unwrap())
            .replace("/run/secrets/keydb_users_odd.conf", odd.join("keydb_users").to_str().unwrap())
            .replace("/run/secrets/keydb_users_even.conf", even.join("keydb_users").to_str().unwrap())
            .replace("port 6379", &format!("port {port}"))
            .replace("dir /data", &format!("dir {}", made.path().display()));
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new(program(Part::KeyValueServer));
        Running(command.arg(&configuration).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let answer = |secrets: Option<&Path>| {
        let url = secrets.map(|folder| secret(folder, "keydb_url"));
        let started = std::time::Instant::now();
        loop {
            let said = cache_says(port, url.clone());
            if !said.starts_with("-LOADING") || started.elapsed().as_secs() > READY_SECONDS_MAX {
                return said;
            }
        }
    };
    let server = run_with(&folders[0], &folders[1]);
    assert_eq!(answer(Some(&folders[0])), "+PONG");
    assert_eq!(answer(Some(&folders[1])), "+PONG");
    assert!(answer(None).starts_with("-NOAUTH"));
    drop(server);
    let _server = run_with(&folders[2], &folders[1]);
    assert_eq!(answer(Some(&folders[1])), "+PONG");
    assert_eq!(answer(Some(&folders[2])), "+PONG");
    assert!(answer(Some(&folders[0])).starts_with("-WRONGPASS"));
}

/// What the cache answers to a PING, after signing in as a URL says.
fn cache_says(port: u16, url: Option<String>) -> String {
    let started = std::time::Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(started.elapsed().as_secs() < READY_SECONDS_MAX, "{error}"),
        }
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |text: String| {
        stream.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line.trim().to_string()
    };
    if let Some(url) = url {
        let authority = url.strip_prefix("redis://").unwrap().split('@').next().unwrap().to_string();
        let (user, password) = authority.split_once(':').unwrap();
        let said = ask(format!("AUTH {user} {password}\r\n"));
        if said.starts_with('-') {
            return said;
        }
    }
    ask("PING\r\n".into())
}
