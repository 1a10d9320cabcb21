//! When the parent is killed with `kill -9`, nothing of what it started stays.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use livehouse_parts::{
    Identity, NatsOptions, NatsServer, PostgresOptions, PostgresServer, Process, ProcessSpec,
    discard_folder_with_this_process,
};

const FOLDER: &str = "LIVEHOUSE_TEST_VICTIM_FOLDER";

/// Not a test by itself: the parent that is killed. It says which processes it started and waits.
#[tokio::test]
#[ignore = "run by the test below as a process of its own"]
#[allow(clippy::print_stdout)]
async fn victim() {
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    discard_folder_with_this_process(folder).unwrap();
    let nats = NatsServer::start(folder.join("nats"), NatsOptions::default()).await.unwrap();
    let postgres = PostgresServer::start(folder.join("postgres"), PostgresOptions::default()).await.unwrap();
    let client = postgres.connect("postgres").await.unwrap();
    // One that does not mind being asked to stop, and one that is frozen.
    let stubborn = ProcessSpec::new("stubborn", "/bin/sh", folder.join("stubborn.log"))
        .arguments(["-c", "trap '' TERM; while true; do sleep 1; done"]);
    let stubborn = Process::start(stubborn).unwrap();
    let frozen = ProcessSpec::new("frozen", "/bin/sleep", folder.join("frozen.log")).arguments(["1000"]);
    let frozen = Process::start(frozen).unwrap();
    frozen.pause();
    let started = [nats.process().identity().clone(), postgres.process().identity().clone()];
    for identity in started.iter().chain([stubborn.identity(), frozen.identity()]) {
        println!("\nprocess {} {}", identity.pid, identity.started);
    }
    println!("\nready");
    client.simple_query("select pg_sleep(1000)").await.unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "not a task of the runtime: this thread may wait")]
fn a_killed_parent_leaves_no_process_and_no_folder() {
    let folder = tempfile::Builder::new()
        .prefix("livehouse-parts-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .tempdir()
        .unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut started = Vec::new();
    for line in BufReader::new(parent.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["process", pid, time] => {
                started.push(Identity { pid: pid.parse().unwrap(), started: time.to_string() });
            }
            ["ready"] => break,
            _ => {}
        }
    }
    assert_eq!(started.len(), 4);
    assert!(started.iter().all(Identity::is_alive));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let alive: Vec<_> = started.iter().filter(|identity| identity.is_alive()).collect();
        if alive.is_empty() && !folder.path().exists() {
            break;
        }
        assert!(Instant::now() < deadline, "still there: {alive:?}, folder: {}", folder.path().exists());
        std::thread::sleep(Duration::from_millis(50));
    }
}
