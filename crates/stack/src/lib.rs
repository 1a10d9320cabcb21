//! The swarm of Livehouse: its files looked at, deployed, and its secrets renewed.
//!
//! [`lint::lint`] finds in the files of `stack/` and `traefik/` what a swarm ignores, forgets or finds out too late.

pub mod environment;
pub mod lint;
pub mod project;
pub mod quantity;
pub mod variables;
pub mod yaml;
