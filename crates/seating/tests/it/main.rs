//! What the crate promises, from the outside.

#![allow(clippy::too_many_lines)]
#![allow(clippy::unwrap_used)]

mod broken_plans;
mod checks;
mod layouts;
mod native;
mod pretix_plans;
mod real_plans;
mod seat_index;
mod tables;
mod venues;
