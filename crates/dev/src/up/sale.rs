//! A whole sale: started in order, stopped in the opposite order.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use futures::future::{join_all, try_join_all};
use livehouse_parts::{
    Identity, KeyValueOptions, KeyValueServer, NatsOptions, NatsServer, PostgresOptions, PostgresServer,
    ProcessSpec, Resgate, ResgateOptions, ServiceProcess, Workspace,
};
use rand::Rng;
use tokio::process::Command;

use super::{
    member::{Member, SERVICE_READY_SECONDS_MAX},
    ports::Ports,
    state::{State, private_file},
};
use crate::terminal::Terminal;

/// The services that have a database of the same name.
const DATABASES: [&str; 2] = ["tickets", "orders"];
/// How long a migration, the seed or an import may take.
const COMMAND_SECONDS_MAX: u64 = 300;

/// What a sale is started from.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) terminal: &'a Terminal,
    pub(crate) ports: Ports,
    pub(crate) replicas: u8,
    pub(crate) programs: BTreeMap<String, PathBuf>,
    pub(crate) dist: PathBuf,
    pub(crate) with_keydb: bool,
    pub(crate) seating_plans: Vec<PathBuf>,
}

/// The servers and services of a sale. Dropping it ends them all.
pub(crate) struct Sale {
    // Also the order in which they are dropped when the start is broken off.
    services: Vec<Arc<ServiceProcess>>,
    resgate: Option<Arc<Resgate>>,
    nats: Arc<NatsServer>,
    keydb: Option<Arc<KeyValueServer>>,
    postgres: Arc<PostgresServer>,
    pub(crate) state: State,
}

impl Sale {
    /// Starts the servers, prepares the databases and starts the services.
    pub(crate) async fn start(plan: &Plan<'_>) -> anyhow::Result<Sale> {
        let mut sale = Sale::servers(plan).await?;
        sale.record(plan.workspace)?;
        sale.databases(plan).await?;
        sale.gateway(plan).await?;
        sale.record(plan.workspace)?;
        sale.services(plan).await?;
        sale.state.ready = true;
        sale.record(plan.workspace)?;
        Ok(sale)
    }

    /// All members, in the order they were started.
    pub(crate) fn members(&self) -> Vec<Arc<dyn Member>> {
        let mut members: Vec<Arc<dyn Member>> =
            vec![Arc::clone(&self.postgres) as _, Arc::clone(&self.nats) as _];
        members.extend(self.keydb.iter().map(|keydb| Arc::clone(keydb) as _));
        members.extend(self.resgate.iter().map(|resgate| Arc::clone(resgate) as _));
        members.extend(self.services.iter().map(|service| Arc::clone(service) as _));
        members
    }

    /// Writes the file about the sale with the processes of now.
    pub(crate) fn record(&mut self, workspace: &Workspace) -> anyhow::Result<()> {
        let members = self.members();
        self.state.processes = members.iter().map(|member| (member.name(), member.identity())).collect();
        self.state.write(workspace)
    }

    /// Stops everything in order: the site first, so that no new request comes in; the databases last.
    pub(crate) async fn stop(self, terminal: &Terminal) {
        let (site, others): (Vec<_>, Vec<_>) =
            self.services.iter().partition(|service| service.name() == "site");
        let stop = |what: &'static str, members: Vec<Arc<dyn Member>>| async move {
            let done = terminal.step(what, |_| async {
                join_all(members.iter().map(|member| member.stop())).await;
                Ok(())
            });
            // Stopping does not fail: what does not stop is killed.
            let _ = done.await;
        };
        let members = |services: Vec<&Arc<ServiceProcess>>| -> Vec<Arc<dyn Member>> {
            services.into_iter().map(|service| Arc::clone(service) as _).collect()
        };
        stop("site stopped", members(site)).await;
        stop("services stopped", members(others)).await;
        stop("Resgate stopped", self.resgate.iter().map(|server| Arc::clone(server) as _).collect()).await;
        stop("NATS stopped", vec![Arc::clone(&self.nats) as _]).await;
        stop("KeyDB stopped", self.keydb.iter().map(|server| Arc::clone(server) as _).collect()).await;
        stop("Postgres stopped", vec![Arc::clone(&self.postgres) as _]).await;
    }

    async fn servers(plan: &Plan<'_>) -> anyhow::Result<Sale> {
        let folder = plan.workspace.up();
        let (ports, terminal) = (plan.ports, plan.terminal);
        let postgres = terminal.step("Postgres", |_| async {
            let options = PostgresOptions { port: Some(ports.postgres), ..PostgresOptions::default() };
            Ok(PostgresServer::start(folder.join("postgres"), options).await?)
        });
        let postgres = Arc::new(postgres.await?);
        let nats = terminal.step("NATS", |_| async {
            let options = NatsOptions { port: Some(ports.nats), ..NatsOptions::default() };
            Ok(NatsServer::start(folder.join("nats"), options).await?)
        });
        let nats = Arc::new(nats.await?);
        let keydb = if plan.with_keydb {
            let keydb = terminal.step("KeyDB", |_| async {
                let options = KeyValueOptions { port: Some(ports.keydb) };
                Ok(KeyValueServer::start(folder.join("keydb"), options).await?)
            });
            Some(Arc::new(keydb.await?))
        } else {
            None
        };
        let session_key_file = session_key(&folder)?;
        let url = |name: &str| (name.to_string(), postgres.url(name));
        let state = State {
            site: format!("http://127.0.0.1:{}", ports.site),
            resgate: format!("http://127.0.0.1:{}", ports.resgate),
            live: format!("ws://127.0.0.1:{}/", ports.resgate),
            nats: nats.url(),
            postgres: postgres.url("tickets"),
            keydb: keydb.as_ref().map(|keydb| keydb.url()),
            databases: DATABASES.into_iter().map(url).collect(),
            programs: plan.programs.clone(),
            session_key_file,
            ready: false,
            owner: Some(Identity::own()),
            processes: BTreeMap::new(),
        };
        link_log(&folder, "postgres", &postgres.process().log().to_path_buf())?;
        link_log(&folder, "nats", &nats.process().log().to_path_buf())?;
        if let Some(keydb) = &keydb {
            link_log(&folder, "keydb", &keydb.process().log().to_path_buf())?;
        }
        Ok(Sale { services: Vec::new(), resgate: None, nats, keydb, postgres, state })
    }

    async fn databases(&self, plan: &Plan<'_>) -> anyhow::Result<()> {
        plan.terminal
            .step("databases tickets and orders, migrated", |_| async {
                for database in DATABASES {
                    self.postgres.create_database(database).await?;
                }
                try_join_all(DATABASES.map(|database| self.command(plan, database, &["migrate"]))).await
            })
            .await?;
        plan.terminal.step("events to sell", |_| self.command(plan, "tickets", &["seed"])).await?;
        for file in &plan.seating_plans {
            let name = file.to_string_lossy().into_owned();
            let what = format!("seating plan {name}");
            let arguments = ["import", name.as_str()];
            let said = plan.terminal.step(&what, |_| self.command(plan, "tickets", &arguments)).await?;
            said.lines().for_each(|line| plan.terminal.line(&format!("  {line}")));
        }
        Ok(())
    }

    async fn gateway(&mut self, plan: &Plan<'_>) -> anyhow::Result<()> {
        let folder = plan.workspace.up();
        let options = ResgateOptions { port: Some(plan.ports.resgate), ..ResgateOptions::default() };
        let options = options.for_site_on(plan.ports.site);
        let nats = self.nats.url();
        let resgate = plan
            .terminal
            .step("Resgate", |_| async { Ok(Resgate::start(folder.join("resgate"), &nats, options).await?) });
        let resgate = Arc::new(resgate.await?);
        link_log(&folder, "resgate", &resgate.process().log().to_path_buf())?;
        self.resgate = Some(resgate);
        Ok(())
    }

    async fn services(&mut self, plan: &Plan<'_>) -> anyhow::Result<()> {
        let mut names = Vec::new();
        for service in DATABASES {
            names.extend((1..=plan.replicas).map(|number| (service, format!("{service}-{number}"))));
        }
        names.push(("identity", "identity".to_string()));
        names.push(("site", "site".to_string()));
        let what = format!("{0} × tickets, {0} × orders, identity, site", plan.replicas);
        let terminal = plan.terminal.clone();
        let started = terminal
            .step(&what, |_| async {
                let mut started = Vec::new();
                for (service, replica) in names {
                    started.push(Arc::new(self.service(plan, service, &replica)?));
                }
                let deadline = Duration::from_secs(SERVICE_READY_SECONDS_MAX);
                try_join_all(started.iter().map(|service| service.until_ready(deadline))).await?;
                Ok(started)
            })
            .await?;
        self.services = started;
        Ok(())
    }

    fn service(&self, plan: &Plan<'_>, service: &str, replica: &str) -> anyhow::Result<ServiceProcess> {
        let folder = plan.workspace.up();
        let program = program_of(&plan.programs, service)?;
        let log = folder.join("logs").join(format!("{replica}.log"));
        let mut spec = ProcessSpec::new(replica, program, log);
        spec = spec.arguments(["serve"]).environment("LIVEHOUSE_REPLICA", replica);
        spec.environment.extend(environment_of(&self.state, service));
        if service == "site" {
            spec = spec
                .environment("LIVEHOUSE_SITE_BIND", format!("127.0.0.1:{}", plan.ports.site))
                .environment("LIVEHOUSE_WEB_DIST", plan.dist.as_os_str());
        }
        let addresses = folder.join("addresses");
        fs::create_dir_all(&addresses).with_context(|| format!("make the folder {}", addresses.display()))?;
        Ok(ServiceProcess::start(spec, addresses.join(replica))?)
    }

    /// Runs a subcommand of a service's program to its end and gives what it said.
    async fn command(&self, plan: &Plan<'_>, service: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let program = program_of(&plan.programs, service)?;
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .envs(environment_of(&self.state, service))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let what = format!("livehouse-{service} {}", arguments.join(" "));
        let output = tokio::time::timeout(Duration::from_secs(COMMAND_SECONDS_MAX), command.output())
            .await
            .with_context(|| format!("`{what}` was not done after {COMMAND_SECONDS_MAX} seconds"))?
            .with_context(|| format!("cannot run {}", program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let said = text(&output.stdout) + &text(&output.stderr);
            let lines: Vec<&str> = said.trim().lines().collect();
            let end = lines[lines.len().saturating_sub(12)..].join("\n");
            bail!("`{what}` failed ({}):\n{end}", output.status);
        }
        Ok(text(&output.stdout))
    }
}

/// What a service has to know of the sale around it.
pub(crate) fn environment_of(state: &State, service: &str) -> Vec<(String, std::ffi::OsString)> {
    let mut environment: Vec<(String, std::ffi::OsString)> = vec![
        ("LIVEHOUSE_NATS_URL".into(), state.nats.clone().into()),
        ("LIVEHOUSE_LOG_FORMAT".into(), "json".into()),
        ("LIVEHOUSE_SESSION_KEY_FILE".into(), state.session_key_file.clone().into()),
        ("LIVEHOUSE_RESGATE_URL".into(), state.resgate.clone().into()),
        ("LIVEHOUSE_LIVE_URL".into(), state.live.clone().into()),
    ];
    if let Some(keydb) = &state.keydb {
        environment.push(("LIVEHOUSE_KEYDB_URL".into(), keydb.into()));
    }
    if let Some(database) = state.databases.get(service) {
        environment.push(("LIVEHOUSE_POSTGRES_URL".into(), database.into()));
    }
    environment
}

/// The program of a service.
pub(crate) fn program_of(programs: &BTreeMap<String, PathBuf>, service: &str) -> anyhow::Result<PathBuf> {
    let package = format!("livehouse-{service}");
    programs.get(&package).cloned().with_context(|| format!("{package} has not been built"))
}

/// The key that signs guest sessions: made once, so that guests stay who they are over a restart of the sale.
fn session_key(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("session.key");
    if !file.exists() {
        let key: [u8; 32] = rand::rng().random();
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let fresh = file.with_extension("new");
        private_file(&fresh)
            .and_then(|mut open: File| open.write_all(key.as_bytes()))
            .and_then(|()| fs::rename(&fresh, &file))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(file)
}

/// The logs of the servers lie with their data; in `logs` there is a link to each.
fn link_log(folder: &Path, name: &str, log: &PathBuf) -> anyhow::Result<()> {
    let logs = folder.join("logs");
    let link = logs.join(format!("{name}.log"));
    fs::create_dir_all(&logs)?;
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(log, &link).with_context(|| format!("cannot make the link {}", link.display()))
}
