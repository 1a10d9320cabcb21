//! What all real servers have in common: started until ready, stopped, killed, paused, started again.

use std::{
    fs,
    future::Future,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Error, PortLease, Process, ProcessSpec};

const READY_SECONDS_MAX: u64 = 30;
const PORT_TRIES_MAX: usize = 5;

/// What differs between the kinds of servers.
pub trait Kind: Send + Sync {
    /// Asks the server whether it is ready; else the reason it gave.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// A real server on a private port, with its data in a folder of the caller's. Dropping it ends it; its folder stays.
#[derive(Debug)]
pub struct Server<K> {
    pub(crate) kind: K,
    folder: PathBuf,
    port: u16,
    _lease: Option<PortLease>,
    spec: ProcessSpec,
    process: Mutex<Arc<Process>>,
}

impl<K> Drop for Server<K> {
    fn drop(&mut self) {
        // Somebody may still hold the process to look at it; it ends with the server all the same.
        self.process.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

impl<K: Kind> Server<K> {
    /// Starts a server on `port`, or on a free one, trying others when somebody is quicker. `prepare` writes what it
    /// needs for that port and says what to run.
    pub(crate) async fn launch(
        folder: PathBuf,
        name: &str,
        port: Option<u16>,
        prepare: impl Fn(u16) -> Result<(ProcessSpec, K), Error> + Send + Sync,
    ) -> Result<Server<K>, Error> {
        fs::create_dir_all(&folder)
            .map_err(Error::system(format!("make the folder {}", folder.display())))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let lease = match port {
                None => PortLease::any()?,
                Some(port) => PortLease::of(port)?
                    .ok_or_else(|| Error::PortTaken { program: name.to_string(), port })?,
            };
            let (spec, kind) = prepare(lease.port())?;
            let process = Process::start(spec.clone())?;
            match until_ready(&process, &kind).await {
                Ok(()) => {
                    let (port, process) = (lease.port(), Mutex::new(Arc::new(process)));
                    return Ok(Server { kind, folder, port, _lease: Some(lease), spec, process });
                }
                Err(Error::Ended { last_lines, .. })
                    if last_lines.to_lowercase().contains("address already in use") =>
                {
                    if port.is_some() || tries == PORT_TRIES_MAX {
                        return Err(Error::PortTaken { program: name.to_string(), port: lease.port() });
                    }
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder with its data, configuration and log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process of now: another one after a restart.
    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops it in order and waits for that.
    pub async fn stop(&self) {
        self.process().stop().await;
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&self) {
        self.process().kill().await;
    }

    /// Freezes it: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// Lets it go on after [`Server::pause`].
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Starts it again on the same port and data and waits until it is ready; stops it first when it runs.
    pub async fn restart(&self) -> Result<(), Error> {
        let old = self.process();
        if old.status().is_none() {
            old.stop().await;
        }
        let process = Arc::new(Process::start(self.spec.clone())?);
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&process);
        until_ready(&process, &self.kind).await
    }

    /// Asks it whether it is ready; else the reason.
    pub async fn ready(&self) -> Result<(), String> {
        if let Some(status) = self.process().status() {
            return Err(format!("{} has ended ({status})", self.spec.name));
        }
        tokio::time::timeout(Duration::from_secs(5), self.kind.ready())
            .await
            .unwrap_or_else(|_| Err("no answer within 5 seconds".into()))
    }
}

/// Waits until a process that was just started answers as `kind` should.
async fn until_ready<K: Kind>(process: &Process, kind: &K) -> Result<(), Error> {
    let started = Instant::now();
    let deadline = Duration::from_secs(READY_SECONDS_MAX);
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(status) = process.status() {
            return Err(Error::Ended {
                program: process.name().to_string(),
                status,
                log: process.log().to_path_buf(),
                last_lines: process.last_lines(12),
            });
        }
        let last = match tokio::time::timeout(Duration::from_secs(2), kind.ready()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => reason,
            Err(_) => "no answer within 2 seconds".into(),
        };
        if started.elapsed() > deadline {
            return Err(Error::NotReady {
                program: process.name().to_string(),
                waited: deadline,
                last,
                log: process.log().to_path_buf(),
                last_lines: process.last_lines(12),
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Connects to a port of this machine, sends `question` and gives the first piece of the answer.
pub(crate) async fn ask(port: u16, question: &[u8]) -> Result<String, String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(question).await?;
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    exchange.await.map_err(|error| format!("127.0.0.1:{port}: {error}"))
}

/// Writes a configuration file that this account alone may read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let write = || {
        let mut options = fs::File::options();
        options.create(true).truncate(true).write(true).mode(0o600).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(Error::system(format!("write {}", path.display())))
}
