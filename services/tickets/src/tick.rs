//! What happens because time passes.

pub mod catalogue;
pub mod expiry;
pub mod layouts;
pub mod requests;
