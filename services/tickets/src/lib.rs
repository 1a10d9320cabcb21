//! Seat inventory: holds decided by Postgres and shown live.
//!
//! - [`domain`]: is it allowed, and what changes?
//! - [`store`]: how is it kept? The only SQL.
//! - [`inventory`]: commands gathered into batches, one transaction each.
//! - [`live`]: what browsers see, in step with the database.
//! - [`api`]: how is it asked and shown? The only RES.
//! - [`react`], [`tick`]: why does it start without a user?
//! - [`guard`]: what tests switch off to see an invariant fail.

pub mod api;
pub mod audit;
pub mod catalogue;
pub mod domain;
pub mod guard;
pub mod inventory;
pub mod layout;
pub mod live;
pub mod options;
pub mod publish;
pub mod react;
pub mod seed;
pub mod serve;
pub mod store;
pub mod tick;
