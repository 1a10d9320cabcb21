//! Orders: from a hold to a paid order, live.
//!
//! - [`domain`]: the states of an order and what leads from one to the next.
//! - [`store`]: how orders are kept. The only SQL.
//! - [`checkout`]: from a hold to an order, together with the tickets service.
//! - [`api`]: how orders are asked for and shown. The only RES.
//! - [`react`], [`tick`]: what starts without a user.

pub mod api;
pub mod audit;
pub mod checkout;
pub mod domain;
pub mod live;
pub mod options;
pub mod react;
pub mod serve;
pub mod store;
pub mod tick;
