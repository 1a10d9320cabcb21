//! The proof that a running sale keeps its promises: the real service programs on real NATS, Resgate, Postgres and
//! KeyDB, with real faults. Every test takes the stage for itself, because most of them measure time.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::too_many_lines)]

mod access;
mod bad_input;
mod caller;
mod clock;
mod controls;
mod exactness;
mod expiry;
mod facts;
mod hall;
mod kills;
mod load;
mod outbox;
mod overload;
mod sale;
mod servers;
mod stage;
mod startup;
mod viewers;
