//! A nats-server of a test's own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;

use crate::programs;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A running server; it and its data are gone when this is dropped.
pub(crate) struct NatsServer {
    process: Child,
    pub(crate) url: String,
    _directory: tempfile::TempDir,
}

impl NatsServer {
    /// A server with some lines of configuration more.
    pub(crate) async fn with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nats.conf");
        let store = directory.path().join("store");
        std::fs::write(&file, format!("jetstream {{ store_dir: {store:?} }}\n{configuration}\n")).unwrap();
        let program = programs::find("nats-server", "NATS_SERVER");
        let process = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(directory.path())
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let url = address(directory.path()).await;
        Self { process, url, _directory: directory }
    }

    /// A connection of its own, as every replica has.
    pub(crate) async fn connect(&self) -> Client {
        let url = &self.url;
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
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns when the server has taken everything that was sent before.
pub(crate) async fn round_trip(client: &Client) {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, Bytes::new()).await.unwrap();
    tokio::time::timeout(PATIENCE, echo.next()).await.expect("the server echoes");
}

/// The address the server writes into its ports file when it is ready.
async fn address(directory: &Path) -> String {
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
