#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod difference;
mod dispatch;
mod error;
mod group;
mod handling;
mod in_flight;
mod jitter;
mod lease;
mod name;
mod ownership;
mod pace;
mod pattern;
mod publish;
mod reply;
mod request;
mod reset;
mod resource;
mod rounds;
mod router;
mod service;
mod snapshot;
mod statistics;
mod strict;
mod value;
mod worker;

pub use builder::{Builder, StartError};
pub use error::{BoxError, Error};
pub use lease::{Holding, KvLease, Lease, MemoryLease};
pub use reply::{Grant, Reply};
pub use request::{Access, Auth, Call, Get};
pub use resource::{Owner, Resource};
pub use service::{OwnedKey, Service};
pub use snapshot::{Collection, Model};
pub use statistics::Statistics;
pub use value::{Data, Ref, SoftRef};
