//! What time, load and accidents do to a service: real nats-servers, real Resgates, replicas in processes of their own,
//! clients that keep what they were told. In the end every client must show the truth, and no process may have grown.
#![allow(clippy::unwrap_used)]

#[path = "shared/gateway.rs"]
mod gateway;
#[path = "endurance/nats.rs"]
mod nats;
#[path = "shared/programs.rs"]
mod programs;

#[path = "endurance/audit.rs"]
mod audit;
#[path = "endurance/client.rs"]
mod client;
#[path = "endurance/load.rs"]
mod load;
#[path = "endurance/process.rs"]
mod process;
#[path = "endurance/service.rs"]
mod service;
#[path = "endurance/truth.rs"]
mod truth;
#[path = "endurance/view.rs"]
mod view;

#[path = "endurance/flood.rs"]
mod flood;
#[path = "endurance/many.rs"]
mod many;
#[path = "endurance/outages.rs"]
mod outages;
#[path = "endurance/slow.rs"]
mod slow;
#[path = "endurance/soak.rs"]
mod soak;
