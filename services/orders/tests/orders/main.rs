//! Orders against the real services and servers: made from holds, live, and moved on by facts.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::too_many_lines)]

mod bad_input;
mod checkout;
mod ends;
mod facts;
mod live;
mod shop;
