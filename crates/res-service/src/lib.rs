#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod connection;
mod debug;
mod difference;
mod dispatch;
mod error;
#[cfg(test)]
mod fuzz;
mod group;
mod handling;
mod in_flight;
mod jitter;
mod json;
mod lease;
mod middleware;
mod name;
mod observe;
mod ownership;
mod pace;
mod pattern;
mod publish;
mod recent;
mod reply;
mod request;
mod reset;
mod resource;
mod rounds;
mod router;
mod service;
#[cfg(test)]
mod simulation;
mod snapshot;
mod statistics;
mod strict;
#[cfg(feature = "test-kit")]
pub mod test_kit;
mod trace;
mod turn;
mod value;
mod watched;
mod worker;

/// The client of NATS whose types are part of this crate's: of the version that fits.
pub use async_nats;
pub use builder::{Builder, StartError};
pub use error::{BoxError, Error, ErrorKind};
#[cfg(feature = "kv-lease")]
pub use lease::KvLease;
pub use lease::{Holding, Lease, MemoryLease, fair_share};
pub use middleware::{Next, Request};
pub use observe::{Handled, RequestKind};
pub use reply::{Grant, Reply};
pub use request::{Access, Auth, Call, Get};
pub use resource::Resource;
pub use service::{OwnedKey, Service};
pub use snapshot::{Collection, Model, Snapshot};
pub use statistics::{Statistic, Statistics};
pub use trace::TraceContext;
pub use value::{Data, Ref, SoftRef, Update};
