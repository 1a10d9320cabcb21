//! The examples, as a user builds and runs them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use res_service::test_kit::NatsServer;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::nats::PATIENCE;

/// Mostly it is built already, as `cargo test` builds the examples when it is asked for no test in particular.
const BUILD_TIME_MAX: Duration = Duration::from_secs(600);
/// The running example; it ends when this is dropped.
pub(crate) struct Example(Child);

impl Example {
    /// Starts one by its name; it answers a get of this resource when this returns.
    pub(crate) async fn start(nats: &NatsServer, name: &str, resource: &str) -> Self {
        let mut process = Command::new(built(name).await)
            .env("NATS_URL", nats.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = nats.connect().await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client.request(format!("get.{resource}"), Bytes::new()).await;
            if answer.as_ref().is_ok_and(|answer| answer.payload.starts_with(br#"{"result":"#)) {
                return Self(process);
            }
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the example answers {answer:?}; has it ended? {ended:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Interrupts it, as whoever has started it at a terminal does; it must end by itself, and without an error.
    pub(crate) async fn stop(self) {
        let process = self.0.id().expect("the example runs until it is stopped").to_string();
        let status = Command::new("kill").args(["-INT", &process]).status().await;
        assert!(status.expect("`kill` sends signals").success());
        let output = timeout(PATIENCE, self.0.wait_with_output()).await.expect("it stops in time").unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{}", said.concat());
    }
}

/// The example's program, built beside that of this test.
async fn built(example: &str) -> PathBuf {
    let of_this_test = std::env::current_exe().unwrap();
    let profile = of_this_test.ancestors().nth(2).expect("a test is in <target>/<profile>/deps");
    let target = profile.parent().expect("a test is in <target>/<profile>/deps");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "res-service", "--example", example, "--profile", name])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let built = timeout(BUILD_TIME_MAX, build).await.expect("the example is built in time").unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    profile.join("examples").join(example)
}
