//! A nats-server that can be killed and comes back at the same address with what it had stored.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::gateway::free_port;
use crate::programs;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
const PORT_TRIES_MAX: u32 = 20;

/// A running nats-server with JetStream; it ends when this is dropped.
pub(crate) struct Broker {
    port: u16,
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let mut last = String::new();
        for _ in 0..PORT_TRIES_MAX {
            let folder = tempfile::tempdir().unwrap();
            let store = folder.path().join("store");
            std::fs::write(
                folder.path().join("nats.conf"),
                format!("jetstream {{ store_dir: {store:?} }}\n"),
            )
            .unwrap();
            let mut broker = Self { port: free_port(), folder, process: None };
            match broker.launch().await {
                Ok(()) => return broker,
                Err(reason) => last = reason,
            }
        }
        panic!("nats-server did not start on any of {PORT_TRIES_MAX} ports: {last}");
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn connect(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap()
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    /// Starts it again after [`Broker::kill`].
    pub(crate) async fn start_again(&mut self) {
        assert!(self.process.is_none(), "the nats-server runs already");
        self.launch().await.unwrap();
    }

    async fn launch(&mut self) -> Result<(), String> {
        let program = programs::find("nats-server", "NATS_SERVER");
        let process = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--config"])
            .arg(self.folder.path().join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return Err(format!("it ended with {status}"));
            }
            match greeting(self.port).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("it does not answer at port {}: {error}", self.port));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// A server that takes clients says what it is at once.
async fn greeting(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).await?;
    if greeting == *b"INFO " { Ok(()) } else { Err(std::io::Error::other("it is no nats-server")) }
}
