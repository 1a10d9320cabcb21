//! The swarm of Livehouse: its files looked at, deployed, and its secrets renewed.
//!
//! - [`lint::lint`] finds in the files of `stack/` and `traefik/` what a swarm ignores, forgets or finds out too late.
//! - [`deploy::Deployment`] deploys stacks, waits, tries them from outside, and takes back what failed.
//! - [`secrets::rotate`] renews passwords while they are used.
//!
//! Everything that a person does without cargo is in `stack/*.sh` and plain `docker` commands; this crate calls the
//! same scripts, and adds the waiting and the order.

pub mod deploy;
pub mod engine;
pub mod environment;
pub mod lint;
pub mod project;
pub mod quantity;
pub mod rendered;
mod script;
pub mod secrets;
pub mod settle;
pub mod smoke;
pub mod variables;
pub mod yaml;
