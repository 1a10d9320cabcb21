//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Livehouse on this machine: run a sale, test it, measure it, look into it.
#[derive(Debug, Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", version, max_term_width = 100)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a whole sale: real servers, all services, the web client.
    #[command(
        after_help = "Everything lies in .livehouse/up, one sale at a time; LIVEHOUSE_UP_FOLDER names another folder."
    )]
    Up(UpOptions),
    /// Run every test: Rust, the web client, the browser.
    Test(TestOptions),
    /// Measure the running system against its bars.
    Bench(BenchOptions),
    /// Check the invariants of the running sale in its databases. Exit code 1 on a violation.
    Audit(AuditOptions),
    /// Import a seating plan into the running sale.
    Import(ImportOptions),
    /// Read the logs of the running sale, or of the last one.
    Logs(LogsOptions),
    /// Look at the swarm's files: the project's rules, and what this machine has to check them. Exit code 1 on a finding.
    Lint(LintOptions),
    /// Deploy stacks into a swarm, wait, try them from outside, take them back when it fails.
    #[command(
        after_help = "DOMAIN and REGISTRY come from the environment, the rest from stack/environment.sh.\n\
        Exit codes: 0 done, 1 nothing was changed, 3 failed and taken back, 4 failed and not all of it taken back."
    )]
    Deploy(DeployOptions),
    /// Secrets of a swarm: make them, list them, renew them while they are used.
    Secrets(SecretsOptions),
    /// A swarm of three nodes on this machine, and its drills: `up`, `test`, `status`, `docker`, `down`. Needs root.
    #[command(disable_help_flag = true)]
    Swarm(SwarmOptions),
    /// Check what this machine has and what it lacks. Exit code 1 when something needed is missing.
    Doctor(DoctorOptions),
}

/// Options of `swarm`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SwarmOptions {
    /// What the swarm is told; `--help` lists it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(crate) rest: Vec<OsString>,
}

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpOptions {
    /// Processes of the tickets and of the orders service.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) replicas: u8,
    /// A seating plan to import when the sale is up: pretix's JSON or Livehouse's own. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Vec<PathBuf>,
    /// For scripts: no browser; one JSON line on standard output when ready, everything else on standard error.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Forget the data of the last sale first.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Port of the site; without it 8000, or the next free one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Build the services as they are deployed: slower to build, quicker to run.
    #[arg(long)]
    pub(crate) release: bool,
}

/// Options of `test`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TestOptions {
    /// Only tests whose name contains this.
    pub(crate) name: Option<String>,
}

/// Options of `bench`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchOptions {
    /// The measurement (holds, gateway, fanout, onsale, expiry, memory, protocol); without it, all of them.
    pub(crate) name: Option<String>,
    /// Seconds that each load lasts.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: Option<u64>,
    /// Processes of the tickets service.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) replicas: Option<u8>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `audit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditOptions {
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `import`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImportOptions {
    /// The seating plan: pretix's JSON or Livehouse's own.
    pub(crate) file: PathBuf,
    /// What else the import is told, such as `--name "Summer night" --days 30`; `--help` lists it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    pub(crate) rest: Vec<OsString>,
}

/// Options of `logs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogsOptions {
    /// A service or server, such as `tickets`, `tickets-2` or `nats`; without it, all of them.
    pub(crate) service: Option<String>,
    /// Keep reading as more is written.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Lines of each log to begin with.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    pub(crate) lines: usize,
    /// The lines as they were written.
    #[arg(long)]
    pub(crate) raw: bool,
}

/// Options of `doctor`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorOptions {
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `lint`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LintOptions {
    /// Why there is this rule, and what to do.
    #[arg(long, value_name = "RULE")]
    pub(crate) explain: Option<String>,
    /// All rules, and the weaknesses that they are for.
    #[arg(long)]
    pub(crate) list: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// The folder that stack/ and traefik/ lie in; without it this project.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) root: Option<PathBuf>,
}

/// Which swarm, and what is laid over the stacks.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineOptions {
    /// The manager's engine, such as ssh://node-1; without it what docker itself takes.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// A file merged over the stacks, or a folder with a file for each, such as stack/overlays/small. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) overlay: Vec<PathBuf>,
    /// Whether the registry is asked for digests; `never` where nodes were given their images by hand.
    #[arg(long, value_enum, default_value_t = Resolve::Always)]
    pub(crate) resolve_image: Resolve,
    /// Seconds that one wave of services may take.
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub(crate) seconds: u64,
}

/// When tags become digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolve {
    Always,
    Changed,
    Never,
}

/// Options of `deploy`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeployOptions {
    /// Stacks: edge, bus, data, identity, app, observability, ops; or all of them.
    #[arg(value_name = "STACK", required = true)]
    pub(crate) stacks: Vec<String>,
    #[command(flatten)]
    pub(crate) engine: EngineOptions,
    /// Take the last deployment of these stacks back. Databases stay: a person decides.
    #[arg(long)]
    pub(crate) rollback: bool,
    /// Leave a deployment that failed as it is, to look at it.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Do not try the sale from outside.
    #[arg(long)]
    pub(crate) no_smoke: bool,
    /// Where the sale is reached from here, when its domain does not say so, such as 10.0.0.5:443.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<SocketAddr>,
    /// Take a certificate that no browser trusts.
    #[arg(long)]
    pub(crate) any_certificate: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `secrets`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SecretsOptions {
    #[command(subcommand)]
    pub(crate) work: SecretsWork,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SecretsWork {
    /// Make what is not there yet, straight into the swarm. DOMAIN comes from the environment.
    Make {
        /// bus, routes, data, replication, identity, edge, site, observability, ops or all.
        #[arg(default_value = "all")]
        group: String,
        /// The version; of bus and data the one after it is made too.
        #[arg(long = "number", value_name = "N", default_value_t = 1)]
        version: u32,
        #[command(flatten)]
        engine: EngineOptions,
    },
    /// All secrets, their versions, and the services that have them.
    List {
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        engine: EngineOptions,
    },
    /// Make the next version of a group and say what to deploy in which order.
    Rotate {
        /// The group.
        group: String,
        /// Deploy it in that order, and remove the old version when everything runs with the new one.
        #[arg(long)]
        deploy: bool,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        engine: EngineOptions,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        super::Line::command().debug_assert();
    }
}
