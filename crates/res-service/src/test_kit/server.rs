//! A nats-server of a test's own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;

/// How long the server has to start, and to take a connection.
const START_TIME_MAX: Duration = Duration::from_secs(15);
/// Pause between two looks at a server that is starting.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Of the server's log, so many last lines are shown when it does not start.
const LOG_LINES_SHOWN: usize = 10;
/// The variable that names the program.
const PROGRAM_VARIABLE: &str = "NATS_SERVER";

/// Why there is no nats-server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The program is nowhere; the text says where it was looked for and what to do.
    #[error("{0}")]
    NotFound(String),
    /// The program ended or did not become ready; the text has the last lines of its log.
    #[error("{} does not start: {reason}", program.display())]
    NotStarted {
        /// The file that was run.
        program: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The server runs and takes no connection.
    #[error("the nats-server at {url} takes no connection: {reason}")]
    NotConnected {
        /// Its address.
        url: String,
        /// What the client said last.
        reason: String,
    },
}

/// A nats-server that belongs to one test: on a free port of the loopback address, with JetStream in a temporary
/// folder. Dropping it kills the process and removes the folder.
///
/// The program is the file that the variable `NATS_SERVER` names, or else `nats-server` on the `PATH`. A project that
/// keeps its own copy can name that in the `[env]` table of its `.cargo/config.toml`.
///
/// ```no_run
/// use res_service::test_kit::NatsServer;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = NatsServer::start().await?;
/// let client = server.connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NatsServer {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl NatsServer {
    /// Starts a server and returns when it takes connections.
    ///
    /// # Errors
    ///
    /// When there is no program, when it ends at once, and when it is not ready within 15 s.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_with("").await
    }

    /// Starts a server with more lines of configuration, in nats-server's own language: `max_payload: 4096`.
    ///
    /// # Errors
    ///
    /// Those of [`NatsServer::start`]; what the server says of a wrong configuration is in the text.
    pub async fn start_with(configuration: &str) -> Result<Self, ServerError> {
        let program = find_program(std::env::var_os(PROGRAM_VARIABLE), std::env::var_os("PATH"))?;
        let not_started = |reason: String| ServerError::NotStarted { program: program.clone(), reason };
        let failed = |error: std::io::Error| not_started(error.to_string());
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join("nats.conf");
        let store = folder.path().join("store");
        std::fs::write(&file, format!("jetstream {{ store_dir: {store:?} }}\n{configuration}\n"))
            .map_err(failed)?;
        let log = File::create(log_file(folder.path())).map_err(failed)?;
        let process = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"])
            .arg(folder.path())
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let mut server = Self { process, url: String::new(), folder };
        server.url = server.address().await.map_err(not_started)?;
        Ok(server)
    }

    /// Where it is, e.g. `nats://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection of its own, as every replica of a service has.
    ///
    /// # Errors
    ///
    /// When the server has taken none after 15 s.
    pub async fn connect(&self) -> Result<Client, ServerError> {
        connect(&self.url).await
    }

    /// The address that the server writes into its ports file when it is ready.
    async fn address(&mut self) -> Result<String, String> {
        let deadline = Instant::now() + START_TIME_MAX;
        loop {
            if let Some(url) = self.ports_file() {
                return Ok(url);
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("it ended with {status}\n{}", self.last_of_log()));
            }
            if Instant::now() >= deadline {
                return Err(format!("it is not ready after {START_TIME_MAX:?}\n{}", self.last_of_log()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn ports_file(&self) -> Option<String> {
        let files = std::fs::read_dir(self.folder.path()).ok()?.flatten().map(|entry| entry.path());
        let file = files.into_iter().find(|file| file.extension().is_some_and(|name| name == "ports"))?;
        // While the server is still writing, this is no JSON yet.
        let ports: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        ports["nats"][0].as_str().map(str::to_owned)
    }

    fn last_of_log(&self) -> String {
        let log = std::fs::read(log_file(self.folder.path())).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell either way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("nats-server.log")
}

fn find_program(
    named: Option<std::ffi::OsString>,
    path: Option<std::ffi::OsString>,
) -> Result<PathBuf, ServerError> {
    let named = named.filter(|name| !name.is_empty()).map(PathBuf::from);
    let path = path.unwrap_or_default();
    let program = format!("nats-server{}", std::env::consts::EXE_SUFFIX);
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(&program));
    named.clone().into_iter().chain(in_path).find(|file| file.is_file()).ok_or_else(|| {
        let named = match named {
            Some(file) => format!("the file {:?} that {PROGRAM_VARIABLE} names is not there", file.display()),
            None => format!("{PROGRAM_VARIABLE} is not set"),
        };
        ServerError::NotFound(format!(
            "these tests need a nats-server: {named}, and none is on the PATH. Install one \
             (https://docs.nats.io says how), or name its file in {PROGRAM_VARIABLE}"
        ))
    })
}

/// Connects, and returns when the server has answered.
pub(super) async fn connect(url: &str) -> Result<Client, ServerError> {
    let deadline = Instant::now() + START_TIME_MAX;
    loop {
        let outcome = match async_nats::connect(url).await {
            Ok(client) => echo(&client).await.map(|()| client),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(client) => return Ok(client),
            Err(reason) if Instant::now() >= deadline => {
                return Err(ServerError::NotConnected { url: url.to_owned(), reason });
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Returns when the server has taken everything that was sent before on this connection.
pub(super) async fn echo(client: &Client) -> Result<(), String> {
    let inbox = client.new_inbox();
    let there_and_back = async {
        let mut echoes = client.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
        client.publish(inbox, Bytes::new()).await.map_err(|error| error.to_string())?;
        echoes.next().await.map(drop).ok_or_else(|| "the connection is closed".to_owned())
    };
    tokio::time::timeout(START_TIME_MAX, there_and_back)
        .await
        .unwrap_or_else(|_| Err(format!("the server did not echo within {START_TIME_MAX:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_one_named_then_the_one_on_the_path_and_a_missing_one_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let on_path = folder.path().join(format!("nats-server{}", std::env::consts::EXE_SUFFIX));
        let named = folder.path().join("my-nats");
        File::create(&on_path).expect("a file");
        let path = || Some(folder.path().into());
        let name = || Some(named.clone().into());
        assert_eq!(find_program(None, path()).expect("on the path"), on_path);
        assert_eq!(find_program(name(), path()).expect("on the path"), on_path, "the named one is not there");
        let missing = find_program(name(), None).expect_err("nowhere").to_string();
        for words in ["my-nats", "NATS_SERVER names is not there", "none is on the PATH", "Install one"] {
            assert!(missing.contains(words), "{missing}");
        }
        let missing = find_program(None, None).expect_err("nowhere").to_string();
        assert!(missing.contains("NATS_SERVER is not set"), "{missing}");
        File::create(&named).expect("a file");
        assert_eq!(find_program(name(), path()).expect("named"), named);
    }
}
