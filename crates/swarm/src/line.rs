//! The command line.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

/// A swarm of three nodes on this machine, with Livehouse on it.
#[derive(Debug, Parser)]
#[command(name = "cargo dev swarm", bin_name = "cargo dev swarm", version, max_term_width = 100)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the swarm, build the images, deploy the stacks and open the sale. What is there already stays.
    Up(UpOptions),
    /// Bring the swarm up, let it go through the drills, and take it down whatever happens.
    Test(TestOptions),
    /// Take the swarm down: every process and namespace of it, and its data. The images stay for the next one.
    Down,
    /// Say what runs where. Exit code 1 when something is not as it should be.
    Status,
    /// Run the docker client on the swarm's first node.
    Docker(DockerOptions),
}

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpOptions {
    /// The stacks to deploy.
    #[arg(long, value_delimiter = ',', default_values_t = crate::swarm::STACKS.map(str::to_owned))]
    pub(crate) stacks: Vec<String>,
}

/// Options of `test`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TestOptions {
    /// Only drills whose name contains one of these. Without any, all but those that `--list` marks.
    pub(crate) names: Vec<String>,
    /// Say which drills there are, and do nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Leave the swarm as it is afterwards, to look into it; `down` takes it down.
    #[arg(long)]
    pub(crate) keep: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `docker`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DockerOptions {
    /// The node, 1 to 3.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) node: u8,
    /// What the client is told.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGUMENT")]
    pub(crate) rest: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        super::Line::command().debug_assert();
    }
}
