//! A service of this workspace as a private process: it says where its private HTTP port is, and there whether it is
//! ready.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Error, Process, ProcessSpec};

const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const ANSWER_SECONDS_MAX: u64 = 5;

/// A service, started and perhaps started again. Dropping it ends it.
#[derive(Debug)]
pub struct ServiceProcess {
    spec: ProcessSpec,
    address_file: PathBuf,
    process: Mutex<Arc<Process>>,
}

impl ServiceProcess {
    /// Starts a service, telling it to take a free private port and to write its address into `address_file`. It is not
    /// waited for: see [`ServiceProcess::until_ready`].
    pub fn start(spec: ProcessSpec, address_file: PathBuf) -> Result<ServiceProcess, Error> {
        let mut spec = spec;
        let own = [
            ("LIVEHOUSE_HTTP_BIND".to_string(), "127.0.0.1:0".into()),
            ("LIVEHOUSE_HTTP_ADDRESS_FILE".to_string(), address_file.clone().into_os_string()),
        ];
        spec.environment.splice(0..0, own);
        let process = launch(&spec, &address_file)?;
        Ok(ServiceProcess { spec, address_file, process: Mutex::new(process) })
    }

    /// The name people know it by.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its process of now: another one after a restart.
    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its log file, over restarts.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The address of its private HTTP port, once it has one.
    pub fn http_address(&self) -> Option<String> {
        let text = fs::read_to_string(&self.address_file).ok()?;
        Some(text.trim().to_string()).filter(|text| !text.is_empty())
    }

    /// The status and body of a page of its private HTTP port, else what went wrong.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let address = self.http_address().ok_or("it has not said its private address yet")?;
        let answer = get(&address, path);
        tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS_MAX), answer)
            .await
            .map_err(|_| format!("http://{address}{path} did not answer"))?
            .map_err(|error| format!("http://{address}{path}: {error}"))
    }

    /// Whether its `/readyz` says ready; else what it says.
    pub async fn ready(&self) -> Result<(), String> {
        match self.get("/readyz").await? {
            (200, _) => Ok(()),
            (_, body) => Err(body.trim().to_string()),
        }
    }

    /// Waits until it is ready, or has ended, or `deadline` has passed.
    pub async fn until_ready(&self, deadline: Duration) -> Result<(), Error> {
        let started = Instant::now();
        let process = self.process();
        loop {
            let program = self.spec.name.clone();
            let (log, last_lines) = (self.spec.log.clone(), || process.last_lines(12));
            if let Some(status) = process.status() {
                return Err(Error::Ended { program, status, log, last_lines: last_lines() });
            }
            match self.ready().await {
                Ok(()) => return Ok(()),
                Err(last) if started.elapsed() > deadline => {
                    let last_lines = last_lines();
                    return Err(Error::NotReady { program, waited: deadline, last, log, last_lines });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Lets it drain and stop, kills it after its grace. Gives how it ended.
    pub async fn stop(&self) -> ExitStatus {
        self.process().stop().await
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&self) {
        self.process().kill().await;
    }

    /// Freezes it.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// Lets it go on after [`ServiceProcess::pause`].
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Starts it again as it was started first; stops it first when it runs. It is not waited for.
    pub async fn restart(&self) -> Result<(), Error> {
        let old = self.process();
        if old.status().is_none() {
            old.stop().await;
        }
        let process = launch(&self.spec, &self.address_file)?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
        Ok(())
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        self.process().end();
    }
}

fn launch(spec: &ProcessSpec, address_file: &Path) -> Result<Arc<Process>, Error> {
    // The address of an earlier process is no answer any more.
    match fs::remove_file(address_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::system(format!("delete {}", address_file.display()))(error));
        }
        _ => {}
    }
    Process::start(spec.clone()).map(Arc::new)
}

/// A page over HTTP/1.0, which needs no client: the answer ends with the connection.
async fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no HTTP: {head}")))?;
    Ok((status, body.to_string()))
}
