//! Passwords are renewed while they are used: the project's own files in the real programs.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures::StreamExt;
use livehouse_parts::{Part, Workspace};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const READY_SECONDS_MAX: u64 = 20;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Secrets as `stack/secrets.sh` makes them, in files.
fn secrets(group: &str, version: u32, folder: &Path) {
    let made = Command::new(root().join("stack/secrets.sh"))
        .args([group, &version.to_string()])
        .env("SECRETS_TO", folder)
        .env("DOMAIN", "tickets.example.org")
        .output()
        .unwrap();
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

#[tokio::test]
async fn the_bus_accepts_the_version_in_use_and_the_next_and_refuses_the_one_before() {
    let made = tempfile::tempdir().unwrap();
    let versions: Vec<PathBuf> = (1..=3).map(|version| made.path().join(version.to_string())).collect();
    for (index, folder) in versions.iter().enumerate() {
        secrets("bus", u32::try_from(index + 1).unwrap(), folder);
    }
    let mut bus = Bus::new();
    bus.accepts(&versions[0], &versions[1]);
    bus.restart();

    // At rest, and while clients change from version 1 to 2: both come in, and they hear each other.
    let old = bus.connect(&versions[0], "tickets").await.unwrap();
    let new = bus.connect(&versions[1], "orders").await.unwrap();
    let mut heard = new.subscribe("live.tickets").await.unwrap();
    new.flush().await.unwrap();
    old.publish("live.tickets", "sold".into()).await.unwrap();
    let message = tokio::time::timeout(Duration::from_secs(5), heard.next()).await.unwrap().unwrap();
    assert_eq!(&message.payload[..], b"sold");

    // Then version 3 takes the place of 1.
    bus.accepts(&versions[2], &versions[1]);
    bus.restart();
    bus.connect(&versions[1], "tickets").await.unwrap();
    bus.connect(&versions[2], "tickets").await.unwrap();
    assert!(bus.connect(&versions[0], "tickets").await.is_err(), "version 1 still comes in");
}

#[tokio::test]
async fn a_version_of_the_bus_gives_no_more_rights_than_the_one_before() {
    let made = tempfile::tempdir().unwrap();
    let versions = [made.path().join("1"), made.path().join("2")];
    secrets("bus", 1, &versions[0]);
    secrets("bus", 2, &versions[1]);
    let mut bus = Bus::new();
    bus.accepts(&versions[0], &versions[1]);
    bus.restart();
    for version in &versions {
        let tickets = bus.connect(version, "tickets").await.unwrap();
        let orders = bus.connect(version, "orders").await.unwrap();
        // Only tickets answers for tickets: what orders subscribes to instead of it is refused.
        let mut stolen = orders.subscribe("call.tickets.>").await.unwrap();
        let mut own = tickets.subscribe("call.tickets.>").await.unwrap();
        let _ = (orders.flush().await, tickets.flush().await);
        let resgate = secret(version, "resgate_json");
        let authority = resgate.split("nats://").nth(1).unwrap().split('@').next().unwrap().to_string();
        let (user, password) = authority.split_once(':').unwrap();
        let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
        let resgate = options.connect(format!("127.0.0.1:{}", bus.port)).await.unwrap();
        resgate.publish("call.tickets.event.1.hold", "{}".into()).await.unwrap();
        resgate.flush().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(5), own.next()).await.unwrap().is_some());
        let also = tokio::time::timeout(Duration::from_millis(200), stolen.next()).await;
        assert!(!matches!(also, Ok(Some(_))), "orders hears what is asked of tickets");
    }
}
