//! What Livehouse services say to each other: typed ids, money, facts, error codes, RES paths.
//!
//! Services never depend on services. Whatever two of them must agree on stands here, and nothing else does.
//!
//! - [`id`]: typed ids with a prefix (`evt_…`, `hold_…`); an id of one kind is never taken for another.
//! - [`money`]: integer minor units with an ISO 4217 currency.
//! - [`fact`]: what services tell each other over JetStream, each a versioned type with a stored example.
//! - [`code`]: the error codes of the public surface.
//! - [`path`]: the names of RES resources and of the subjects that services use among themselves.
//! - [`token`]: what a connection's RES token says about the person behind it.
//! - [`mod@line`]: the priced lines of a hold and of the order made from it.
//! - [`request`]: the calls one service makes to another.
//! - [`metric`]: the catalogue of metrics that services tell of themselves.

pub mod code;
pub mod fact;
pub mod id;
pub mod line;
pub mod metric;
pub mod money;
pub mod path;
pub mod request;
pub mod token;
