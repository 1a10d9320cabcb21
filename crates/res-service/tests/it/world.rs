//! A nats-server of its own for each test, and what a gateway would see of it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct World {
    server: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// A server with a line of configuration more.
    pub(crate) async fn with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nats.conf");
        let store = directory.path().join("store");
        std::fs::write(&file, format!("jetstream {{ store_dir: {store:?} }}\n{configuration}\n")).unwrap();
        let program = program();
        let server = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(directory.path())
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let url = address(&directory.path().to_path_buf()).await;
        let client = connect(&url).await;
        Self { server, url, client, _directory: directory }
    }

    /// A connection of its own, as every replica has.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url).await
    }

    /// Everything that is on the wire from now on, in the order of the server.
    pub(crate) async fn listen(&self) -> Wire {
        let client = self.connect().await;
        let subscriber = client.subscribe(">").await.unwrap();
        round_trip(&client).await;
        Wire { client, subscriber }
    }

    /// The final answer to a request.
    pub(crate) async fn ask(&self, subject: &str, payload: impl Into<Bytes>) -> Value {
        let answers = self.answers(subject, payload).await;
        serde_json::from_slice(answers.last().unwrap()).expect("an answer is JSON")
    }

    /// All that is answered to a request, pre-responses first.
    pub(crate) async fn answers(&self, subject: &str, payload: impl Into<Bytes>) -> Vec<Bytes> {
        let inbox = self.client.new_inbox();
        let mut replies = self.client.subscribe(inbox.clone()).await.unwrap();
        self.client.publish_with_reply(subject.to_owned(), inbox, payload.into()).await.unwrap();
        let mut answers = Vec::new();
        loop {
            let reply = tokio::time::timeout(PATIENCE, replies.next()).await;
            let reply =
                reply.unwrap_or_else(|_| panic!("{subject} was not answered; got {answers:?}")).unwrap();
            assert_ne!(
                reply.status,
                Some(async_nats::StatusCode::NO_RESPONDERS),
                "{subject} has no responder"
            );
            let is_last = !reply.payload.first().is_some_and(u8::is_ascii_alphabetic);
            answers.push(reply.payload);
            if is_last {
                return answers;
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// All messages of a server.
pub(crate) struct Wire {
    client: Client,
    subscriber: Subscriber,
}

impl Wire {
    /// Sends a request whose answer appears on the wire under `reply`.
    pub(crate) async fn request(&self, subject: &str, reply: &str, payload: &str) {
        let (subject, reply) = (subject.to_owned(), reply.to_owned());
        self.client.publish_with_reply(subject, reply, Bytes::from(payload.to_owned())).await.unwrap();
    }

    /// The next message that a service publishes: no requests and nothing between replicas.
    pub(crate) async fn next(&mut self) -> (String, String) {
        self.next_where(|subject| {
            !["get.", "call.", "auth.", "access.", "_INBOX.", "res.", "$"]
                .iter()
                .any(|kind| subject.starts_with(kind))
        })
        .await
    }

    /// The next message whose subject is of interest.
    pub(crate) async fn next_where(&mut self, wanted: impl Fn(&str) -> bool) -> (String, String) {
        let next = async {
            loop {
                let message = self.subscriber.next().await.expect("the connection lives");
                if wanted(message.subject.as_str()) {
                    return (
                        message.subject.to_string(),
                        String::from_utf8(message.payload.to_vec()).unwrap(),
                    );
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("something is published in time")
    }

    /// Whether nothing of interest has been published by the time an echo comes back that was sent now.
    pub(crate) async fn is_silent(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        self.client.publish("end.of.silence", Bytes::new()).await.unwrap();
        let (subject, _) = self.next_where(|subject| subject == "end.of.silence" || wanted(subject)).await;
        subject == "end.of.silence"
    }
}

/// Waits until something holds, and tells the last state if it never does.
pub(crate) async fn eventually<T: std::fmt::Debug>(
    what: &str,
    mut state: impl FnMut() -> T,
    holds: impl Fn(&T) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = state();
        if holds(&now) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: it is still {now:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn round_trip(client: &Client) {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, Bytes::new()).await.unwrap();
    tokio::time::timeout(PATIENCE, echo.next()).await.expect("the server echoes");
}

async fn connect(url: &str) -> Client {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match async_nats::ConnectOptions::new().retry_on_initial_connect().connect(url).await {
            Ok(client) => {
                round_trip(&client).await;
                return client;
            }
            Err(error) => {
                assert!(Instant::now() < deadline, "nats-server cannot be reached at {url}: {error}")
            }
        }
    }
}

/// The address the server writes into its ports file when it is ready.
async fn address(directory: &PathBuf) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ports = std::fs::read_dir(directory)
            .unwrap()
            .flatten()
            .find(|file| file.path().extension().is_some_and(|e| e == "ports"));
        let json = ports.and_then(|file| std::fs::read(file.path()).ok());
        let ports: Option<Value> = json.and_then(|json| serde_json::from_slice(&json).ok());
        if let Some(url) = ports.as_ref().and_then(|ports| ports["nats"][0].as_str()) {
            return url.to_owned();
        }
        assert!(Instant::now() < deadline, "nats-server has not started within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The nats-server to use: `NATS_SERVER`, else from the PATH, else what the workspace keeps in `.livehouse/parts`.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("NATS_SERVER") {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|directory| directory.join("nats-server"));
    let roots = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let kept = roots.map(|root| root.join(".livehouse/parts")).flat_map(|parts| {
        let versions = std::fs::read_dir(&parts).into_iter().flatten().flatten().map(|entry| entry.path());
        let versions = versions.filter(|path| path.to_string_lossy().contains("nats-server"));
        let in_versions =
            versions.flat_map(|path| [path.join("nats-server"), path.join("bin/nats-server"), path]);
        std::iter::once(parts.join("bin/nats-server")).chain(in_versions).collect::<Vec<_>>()
    });
    in_path.chain(kept).find(|program| program.is_file()).expect(
        "these tests need a nats-server: name it in NATS_SERVER, put it on the PATH, or let `cargo dev parts` fetch it",
    )
}
