//! Real servers for tests, one world per test.
//!
//! A [`World`] is a set of real programs on private ports with their data in a private folder, all gone when the test
//! ends, also by a panic. Nothing is imitated: what a test sees is what a sale would see.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use livehouse_testkit::{ResClient, World};
//! let world = World::builder().nats().postgres("tickets").keydb().resgate().start().await?;
//! let client = ResClient::connect(&world.resgate().live_url()).await?;
//! client.subscribe("tickets.events").await?;
//! world.nats().kill().await;
//! # Ok(())
//! # }
//! ```
//!
//! The Postgres of [`Builder::postgres`] is shared by all tests of a program, each with a database of its own, because
//! that is cheap; a test that kills, pauses or fills its Postgres asks for [`Builder::own_postgres`].

mod browser;
mod res;
mod service;
mod shared;
mod stopwatch;
mod wait;
mod world;

pub use browser::{Browser, Page};
pub use livehouse_parts as parts;
pub use res::{Change, ConnectOptions, Edge, ResClient, ResError};
pub use service::{Build, Service, ServiceBuilder, binary, cargo};
pub use shared::Template;
pub use stopwatch::{Stopwatch, Took};
pub use wait::{try_wait_until, wait_until};
pub use world::{Builder, World};
