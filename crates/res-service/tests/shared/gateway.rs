//! A real Resgate on a port of its own.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::nats::PATIENCE;
use crate::programs;

/// Below the ports that systems give to outgoing connections, so that a stopped gateway finds its own free again.
const PORT_FIRST: u16 = 20_000;
const PORTS: u64 = 12_000;
const PORT_TRIES_MAX: u32 = 20;

/// A running Resgate; it ends when this is dropped.
pub(crate) struct Gateway {
    program: PathBuf,
    arguments: Vec<String>,
    address: String,
    process: Option<Child>,
}

impl Gateway {
    /// Starts one with options besides those of its addresses.
    pub(crate) async fn start(nats_url: &str, options: &[&str]) -> Self {
        let program = programs::find("resgate", "RESGATE");
        let mut last = String::new();
        for _ in 0..PORT_TRIES_MAX {
            let port = free_port();
            let mut arguments =
                ["--nats", nats_url, "--addr", "127.0.0.1", "--port"].map(str::to_owned).to_vec();
            arguments.push(port.to_string());
            arguments.extend(options.iter().map(|option| (*option).to_owned()));
            let address = format!("127.0.0.1:{port}");
            let mut gateway = Self { program: program.clone(), arguments, address, process: None };
            match gateway.launch().await {
                Ok(()) => return gateway,
                Err(reason) => last = reason,
            }
        }
        panic!("{} did not start on any of {PORT_TRIES_MAX} ports: {last}", program.display());
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as a power cut would. Its clients see their connections break.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// Whether it runs no more: it was killed, or it ended by itself, as it does when NATS is gone.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some())
    }

    /// Starts it again after its end, at its old address.
    pub(crate) async fn start_again(&mut self) -> Result<(), String> {
        assert!(self.has_ended(), "the gateway runs already");
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), String> {
        let process = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return Err(format!("it ended with {status} (arguments: {})", self.arguments.join(" ")));
            }
            match preflight(&self.address).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("it does not answer at {}: {error}", self.address));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// A request that involves no service. Resgate listens only when NATS has taken its subscriptions.
async fn preflight(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"OPTIONS /api/ready HTTP/1.1\r\nHost: ready\r\nConnection: close\r\n\r\n").await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    if answer == *b"HTTP/1.1 200" { Ok(()) } else { Err(std::io::Error::other("not 200")) }
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = PORT_FIRST + u16::try_from(RandomState::new().build_hasher().finish() % PORTS).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
