//! Everything against a real nats-server.
#![allow(clippy::unwrap_used)]

#[path = "it/world.rs"]
mod world;

#[path = "it/changes.rs"]
mod changes;
#[path = "it/requests.rs"]
mod requests;
#[path = "it/robustness.rs"]
mod robustness;
