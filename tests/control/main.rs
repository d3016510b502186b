//! The control socket and its verbs, with a fake director behind it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod absent;
mod connections;
mod docs;
mod fake;
mod limits;
mod metrics;
mod raw;
mod routes;
mod screens;
mod shown;
#[path = "../lab/terminal.rs"]
#[allow(dead_code, reason = "the lab uses all of it")]
mod terminal;
mod top;
mod verbs;
