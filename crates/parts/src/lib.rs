//! The real programs Livehouse runs on, and private processes of them.
//!
//! Two questions are answered here. *Where does a program come from?* [`Part`] looks on the PATH, then in the
//! project's private cache, and else builds or fetches it with the ordinary client of its registry. *How does it
//! run?* [`NatsServer`], [`Resgate`], [`Postgres`] and [`KeyValueServer`] run it on a private port with its
//! data in a folder of the caller's, and can stop, kill, pause and restart it.
//!
//! Nothing outlives its parent: a process belongs to a value, and is ended with it. When the parent itself dies,
//! even by `kill -9`, a small watcher beside it ends what it left behind.
//!
//! ```no_run
//! # async fn example() -> Result<(), livehouse_parts::Error> {
//! use livehouse_parts::{NatsOptions, NatsServer};
//! let nats = NatsServer::start("/tmp/try/nats", NatsOptions::default()).await?;
//! println!("{}", nats.url());
//! nats.kill().await;
//! nats.restart().await?;
//! # Ok(())
//! # }
//! ```

mod account;
mod disk;
mod error;
mod key_value;
mod nats;
mod part;
mod port;
mod postgres;
mod process;
mod resgate;
mod server;
mod service;
pub mod versions;
mod workspace;

pub use account::{Account, reachable_place_for};
pub use disk::free_bytes;
pub use error::{Error, Missing};
pub use key_value::{KeyValue, KeyValueOptions, KeyValueServer};
pub use nats::{Nats, NatsOptions, NatsServer};
pub use part::{Found, Origin, Part};
pub use port::{PortLease, is_free};
pub use postgres::{Postgres, PostgresOptions, PostgresServer};
pub use process::{Identity, Process, ProcessSpec, StopSignal, discard_folder_with_this_process};
pub use resgate::{Resgate, ResgateGateway, ResgateOptions};
pub use server::{Kind, Server};
pub use service::ServiceProcess;
pub use versions::{Version, pinned};
pub use workspace::Workspace;
