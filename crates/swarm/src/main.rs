//! `cargo dev swarm`: three engines on one machine, each in a network namespace of its own, joined to a swarm; on it
//! the stacks of `stack/` as they are, from images that are built here; and the drills that show what it bears.
//!
//! | room | what is in it |
//! |---|---|
//! | `machine` | what the machine must have, and who one must be |
//! | `network` | the bridge and the namespaces |
//! | `node` | one engine: started, stopped, and torn out of the wall |
//! | `cluster` | the three of them as one swarm |
//! | `registry` | where the nodes get their images |
//! | `image` | the images: what is in each, and how it is made |
//! | `certificate` | who vouches for the edge |
//! | `deployment` | networks, secrets and stacks |
//! | `edge` | single questions over HTTPS |
//! | `sale` | buyers and viewers that come through the door |
//! | `drill` | one test each, by name |

mod certificate;
mod cluster;
mod command;
mod deployment;
mod drill;
mod edge;
mod image;
mod line;
mod machine;
mod network;
mod node;
mod registry;
mod sale;
mod say;
mod site;
mod swarm;

use std::process::ExitCode;

use clap::Parser;

use crate::line::{Line, Verb};

#[tokio::main]
async fn main() -> ExitCode {
    let line = Line::parse();
    let done = match line.verb {
        Verb::Up(options) => swarm::up(&options).await,
        Verb::Test(options) => drill::run(&options).await,
        Verb::Down => swarm::down().await,
        Verb::Status => swarm::status().await,
        Verb::Docker(options) => swarm::docker(&options).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say::fail(&error);
            ExitCode::FAILURE
        }
    }
}
