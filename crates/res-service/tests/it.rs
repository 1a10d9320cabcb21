//! Everything against a real nats-server.
#![allow(clippy::unwrap_used)]

#[path = "shared/example.rs"]
mod example;
#[path = "shared/nats.rs"]
mod nats;
#[path = "it/world.rs"]
mod world;

#[path = "it/answers.rs"]
mod answers;
#[path = "it/around.rs"]
mod around;
#[path = "it/changes.rs"]
mod changes;
#[path = "it/documents.rs"]
mod documents;
#[path = "it/examples.rs"]
mod examples;
#[path = "it/fuzz.rs"]
mod fuzz;
#[path = "it/gateway.rs"]
mod gateway;
#[path = "it/lives.rs"]
mod lives;
#[path = "it/observing.rs"]
mod observing;
#[path = "it/ordering.rs"]
mod ordering;
#[path = "it/ownership.rs"]
mod ownership;
#[path = "it/queries.rs"]
mod queries;
#[path = "it/requests.rs"]
mod requests;
#[path = "it/resets.rs"]
mod resets;
#[path = "it/robustness.rs"]
mod robustness;
#[path = "it/rows.rs"]
mod rows;
#[path = "it/simulation.rs"]
mod simulation;
#[path = "it/stopping.rs"]
mod stopping;
#[path = "it/test_kit.rs"]
mod test_kit;
/// The example of the test kit's documentation.
#[path = "../src/test_kit/example.rs"]
mod test_kit_example;
#[path = "it/turns.rs"]
mod turns;
