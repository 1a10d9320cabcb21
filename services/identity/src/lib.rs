//! Who a connection is: guest sessions for Resgate.
//!
//! Resgate asks `auth.identity.session.authenticate` with the headers of every new WebSocket and HTTP request. A
//! signed session cookie becomes a RES token; everything else stays without one, and so without any right beyond
//! what is public.

pub mod api;
pub mod connections;
pub mod options;
pub mod serve;
