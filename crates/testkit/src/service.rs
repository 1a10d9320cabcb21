//! Services of this workspace as processes of their own.

use std::{
    collections::HashMap,
    ffi::OsString,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use livehouse_parts::{ProcessSpec, ServiceProcess, Workspace};
use tokio::sync::Mutex;

const READY_SECONDS_MAX: u64 = 30;

/// How a program is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Build {
    /// Quick to build.
    #[default]
    Debug,
    /// As it is deployed: what is measured.
    Release,
}

/// The program of a package of this workspace, built first when it is not up to date: once per test program.
pub async fn binary(package: &str, how: Build) -> anyhow::Result<PathBuf> {
    static BUILT: Mutex<Option<HashMap<(String, Build), PathBuf>>> = Mutex::const_new(None);
    let mut built = BUILT.lock().await;
    let built = built.get_or_insert_default();
    if let Some(path) = built.get(&(package.to_string(), how)) {
        return Ok(path.clone());
    }
    let name = package.to_string();
    let path = tokio::task::spawn_blocking(move || build(&name, how)).await??;
    built.insert((package.to_string(), how), path.clone());
    Ok(path)
}

/// Cargo as a person would run it: what the cargo that started this test told it of the package under test would make
/// build scripts of dependencies run again, in turns with every ordinary build.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        if of_package.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(Workspace::find().root());
    command
}

fn build(package: &str, how: Build) -> anyhow::Result<PathBuf> {
    let output = cargo()
        .args(["build", "--quiet", "--message-format=json-render-diagnostics", "--bin", package])
        .args(["--package", package])
        .args((how == Build::Release).then_some("--release"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    if !output.status.success() {
        bail!("{package} does not build: run `cargo build --package {package}`");
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages
        .filter(|message| message["target"]["name"] == package)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next().with_context(|| format!("cargo built no program {package}"))
}

/// How a service is to be started.
#[derive(Clone, Debug)]
pub struct ServiceBuilder {
    package: String,
    build: Build,
    replica: String,
    world: PathBuf,
    environment: Vec<(String, OsString)>,
    arguments: Vec<String>,
}

impl ServiceBuilder {
    pub(crate) fn new(package: &str, world: &Path) -> ServiceBuilder {
        let replica = format!("{}-1", package.trim_start_matches("livehouse-"));
        let (package, world) = (package.to_string(), world.to_path_buf());
        ServiceBuilder {
            package,
            build: Build::Debug,
            replica,
            world,
            environment: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// Its replica name; one service of a name per world. Without this: `tickets-1` and so on.
    #[must_use]
    pub fn replica(mut self, name: &str) -> ServiceBuilder {
        self.replica = name.to_string();
        self
    }

    /// Built as it is deployed, for measurements.
    #[must_use]
    pub fn release(mut self) -> ServiceBuilder {
        self.build = Build::Release;
        self
    }

    /// A variable of its environment; the last value counts.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> ServiceBuilder {
        self.environment.push((name.to_string(), value.into()));
        self
    }

    /// An argument of its command line. Without any it is told to `serve`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> ServiceBuilder {
        self.arguments.push(argument.to_string());
        self
    }

    /// Runs it to its end and gives its standard output: for commands such as `migrate`.
    pub async fn run(self) -> anyhow::Result<String> {
        let program = binary(&self.package, self.build).await?;
        let output = tokio::process::Command::new(program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("run {}", self.package))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let (said, error) = (text(&output.stdout), text(&output.stderr));
            bail!("{} {:?} failed ({}):\n{said}{error}", self.package, self.arguments, output.status);
        }
        Ok(text(&output.stdout))
    }

    /// Starts it and waits until its `/readyz` says ready.
    pub async fn start(self) -> anyhow::Result<Service> {
        let service = self.spawn().await?;
        service.ready().await?;
        Ok(service)
    }

    /// Starts it and waits for nothing.
    pub async fn spawn(self) -> anyhow::Result<Service> {
        let program = binary(&self.package, self.build).await?;
        let folder = self.world.join(&self.replica);
        let spec = ProcessSpec::new(&self.replica, program, folder.join(format!("{}.log", self.replica)));
        let arguments = if self.arguments.is_empty() { vec!["serve".to_string()] } else { self.arguments };
        let mut spec = spec
            .arguments(arguments)
            .environment("LIVEHOUSE_REPLICA", &self.replica)
            .environment("LIVEHOUSE_LOG_FORMAT", "json");
        spec.environment.extend(self.environment);
        Ok(Service(ServiceProcess::start(spec, folder.join("http.address"))?))
    }
}

/// A running service. Dropping it ends it; its log stays as long as the world. See [`ServiceProcess`] for what else can
/// be done to it: `kill`, `stop`, `pause`, `resume`, `get`.
#[derive(Debug)]
pub struct Service(ServiceProcess);

impl Deref for Service {
    type Target = ServiceProcess;

    fn deref(&self) -> &ServiceProcess {
        &self.0
    }
}

impl Service {
    /// Waits until its `/readyz` says ready.
    pub async fn ready(&self) -> anyhow::Result<()> {
        Ok(self.0.until_ready(Duration::from_secs(READY_SECONDS_MAX)).await?)
    }

    /// All it has logged so far, over restarts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.0.log()).unwrap_or_default()
    }

    /// Starts it again as it was started first, and waits until it is ready; stops it first when it runs.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.0.restart().await?;
        self.ready().await
    }
}
