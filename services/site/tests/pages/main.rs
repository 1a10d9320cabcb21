//! The site as a browser without scripts, a crawler and an attacker meet it: the real service in front of a real sale.
#![allow(clippy::unwrap_used)]

mod content;
mod layouts;
mod protection;
mod theatre;
