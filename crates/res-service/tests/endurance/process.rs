//! A replica of the service in a process of its own, seen from the outside.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::nats::PATIENCE;
use crate::service::{Configuration, LINE_START, VARIABLE};

/// The test that is the program of the process.
const PROGRAM: &str = "service::it_serves_until_its_input_ends";

/// A running replica; it ends when this is dropped.
pub(crate) struct Replica {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Replica {
    /// Starts one; it takes requests when this returns.
    pub(crate) async fn start(configuration: &Configuration) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", PROGRAM, "--ignored", "--nocapture"])
            .env(VARIABLE, serde_json::to_string(configuration).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut replica = Self { process, lines };
        assert_eq!(replica.line().await, "ready");
        replica
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) async fn signal(&self, name: &str) {
        let process = self.process.id().expect("the replica runs").to_string();
        let status = Command::new("kill").args([format!("-{name}"), process]).status().await;
        assert!(status.expect("`kill` sends signals").success());
    }

    /// The counters of `Service::statistics`.
    pub(crate) async fn statistics(&mut self) -> HashMap<String, u64> {
        self.process.stdin.as_mut().unwrap().write_all(b"statistics\n").await.unwrap();
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// Waits until it has got its share, and gateways ask it; gives for how many resources they did.
    pub(crate) async fn owns_something(&mut self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let statistics = self.statistics().await;
            match statistics["remembered"] {
                0 => assert!(Instant::now() < deadline, "a replica owns nothing: {statistics:?}"),
                remembered => return remembered,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How much memory it has in use, in KiB.
    pub(crate) async fn memory(&self) -> u64 {
        let process = self.process.id().expect("the replica runs").to_string();
        let output = Command::new("ps").args(["-o", "rss=", "-p", &process]).output().await;
        let output = output.expect("`ps` tells how much memory a process has: install it (procps)");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("ps tells a number")
    }

    async fn line(&mut self) -> String {
        let line = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(text) = line.strip_prefix(LINE_START) {
                    return text.to_owned();
                }
            }
            panic!("a replica ended: {:?}", self.process.try_wait());
        };
        timeout(PATIENCE, line).await.expect("a replica answers")
    }
}
