//! The pages: server-rendered events, the built client, guest sessions.
//!
//! - [`pages`]: what each address answers.
//! - [`sale`]: events as the live view has them, read through Resgate's HTTP API.
//! - [`layouts`]: geometry from the bus, compressed once and kept.
//! - [`assets`]: the built client and which files an entry needs.
//! - [`texts`]: dates and money as people write them.
//! - [`guard`]: security headers and the guest session.

pub mod assets;
pub mod guard;
pub mod layouts;
pub mod options;
pub mod pages;
pub mod sale;
pub mod serve;
pub mod texts;
