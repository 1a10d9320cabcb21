//! `cargo dev up` as a script sees it: the whole sale, real in every part, through crashes and restarts.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use livehouse_parts::Identity;
use serde_json::Value;

/// Building the services may be part of the first start.
const FIRST_START_MAX: Duration = Duration::from_secs(900);
const NEXT_START_MAX: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(30);

struct Sale {
    child: Child,
    ready: Value,
    took: Duration,
    folder: PathBuf,
}

fn dev(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
    command.env("LIVEHOUSE_UP_FOLDER", folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let output = dev(folder).args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

/// Starts a sale and waits for its one line.
fn up(folder: &Path, arguments: &[&str]) -> Sale {
    let began = Instant::now();
    let errors = std::fs::File::create(folder.with_extension("errors")).unwrap();
    let mut child = dev(folder)
        .args(["up", "--headless"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said = std::fs::read_to_string(folder.with_extension("errors")).unwrap();
    let ready =
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no line but {line:?}; it said\n{said}"));
    Sale { child, ready, took: began.elapsed(), folder: folder.to_path_buf() }
}

impl Sale {
    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.with_extension("errors")).unwrap()
    }

    fn processes(&self) -> Vec<(String, Identity)> {
        let state = std::fs::read(self.folder.join("state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        serde_json::from_value::<std::collections::BTreeMap<String, Identity>>(state["processes"].clone())
            .unwrap()
            .into_iter()
            .collect()
    }

    fn process(&self, name: &str) -> Identity {
        self.processes().into_iter().find(|(other, _)| other == name).unwrap().1
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn get(&self, of: &str, path: &str) -> Result<String, String> {
        let address = self.ready[of].as_str().unwrap().trim_start_matches("http://").to_string();
        let ask = || -> std::io::Result<String> {
            use std::io::Write;
            let mut stream = std::net::TcpStream::connect(&address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        match ask() {
            Ok(answer) if answer.lines().next().unwrap_or_default().contains(" 200 ") => Ok(answer),
            Ok(answer) => Err(answer),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Sale {
    fn drop(&mut self) {
        // After a failed assertion: in order, so that nothing stays.
        if self.child.try_wait().unwrap().is_none() {
            self.signal("-TERM");
            let _ = self.child.wait();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "not a task of the runtime: this thread may wait")]
fn wait_until(what: &str, deadline: Duration, mut ask: impl FnMut() -> Result<(), String>) {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(()) => return,
            Err(last) => {
                assert!(began.elapsed() < deadline, "waited {deadline:?} for {what}; last seen: {last}")
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A folder every account can reach: Postgres may run under another one.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::Builder::new()
        .prefix("livehouse-up-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .tempdir()
        .unwrap();
    let up = folder.path().join("up");
    (folder, up)
}

#[test]
fn a_sale_survives_crashes_stops_in_order_and_starts_again_within_ten_seconds() {
    let (_kept, folder) = folder();
    let (refused, text) = run(&folder, &["audit"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text.contains("cargo dev up"), "{text}");

    let occupied = TcpListener::bind(("127.0.0.1", 4222));
    let mut sale = up(&folder, &[]);
    assert!(sale.took < FIRST_START_MAX);
    for address in ["site", "resgate", "nats", "postgres", "keydb"] {
        assert!(
            sale.ready[address].as_str().is_some_and(|text| text.contains("127.0.0.1:")),
            "{}",
            sale.ready
        );
    }
    assert!(sale.ready["events"].as_array().is_some_and(|events| !events.is_empty()), "{}", sale.ready);
    assert!(sale.ready["events"][0]["id"].is_string() && sale.ready["events"][0]["name"].is_string());
    if occupied.is_ok() {
        assert!(!sale.ready["nats"].as_str().unwrap().ends_with(":4222"));
        assert!(sale.said().contains("port 4222 is taken"), "{}", sale.said());
    }
    sale.get("site", "/").unwrap();

    let (second, text) = run(&folder, &["up", "--headless"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text.contains(&sale.child.id().to_string()), "{text}");

    let (audit, text) = run(&folder, &["audit", "--json"]);
    assert!(audit.status.success(), "{text}");
    assert_eq!(serde_json::from_slice::<Value>(&audit.stdout).unwrap()["holds"], true);
    let (logs, text) = run(&folder, &["logs", "tickets-1"]);
    assert!(logs.status.success() && text.contains("tickets-1"), "{text}");

    for name in ["tickets-1", "nats"] {
        let before = sale.process(name);
        before.end(false);
        wait_until(&format!("{name} to be started again"), SOON, || {
            let now = sale.process(name);
            if now != before && now.is_alive() { Ok(()) } else { Err(format!("{now:?}, {}", sale.said())) }
        });
    }
    wait_until("the gateway to list the events", SOON, || {
        sale.get("resgate", "/api/tickets/events").map(drop)
    });

    let processes = sale.processes();
    sale.signal("-TERM");
    assert!(sale.child.wait().unwrap().success(), "{}", sale.said());
    let alive = || processes.iter().filter(|(_, identity)| identity.is_alive()).collect::<Vec<_>>();
    assert!(alive().is_empty(), "{:?}", alive());
    assert!(!folder.join("state.json").exists());

    // What else this machine does at the moment, or a source that was just changed, is not what is measured here: the
    // quickest of three counts.
    let mut again = up(&folder, &[]);
    for _ in 0..2 {
        if again.took >= NEXT_START_MAX {
            drop(again);
            again = up(&folder, &[]);
        }
    }
    assert!(again.took < NEXT_START_MAX, "it took {:?}: {}", again.took, again.said());
    assert_eq!(again.ready["events"][0]["id"], sale.ready["events"][0]["id"], "the events are still there");

    // Killed as nobody should be killed: the next one finds nothing in its way.
    let orphans = again.processes();
    again.child.kill().unwrap();
    again.child.wait().unwrap();
    let third = up(&folder, &["--replicas", "1"]);
    assert!(
        third.took < NEXT_START_MAX + Duration::from_secs(5),
        "it took {:?}: {}",
        third.took,
        third.said()
    );
    assert!(orphans.iter().all(|(_, identity)| !identity.is_alive()));
    assert!(third.processes().iter().all(|(name, _)| name != "tickets-2"));
    third.get("site", "/").unwrap();
}
