//! A running sale, watched by the real programs with the project's configurations.
#![allow(clippy::unwrap_used)]

mod alerts;
mod logs;
mod observatory;
mod sale;
mod traces;
