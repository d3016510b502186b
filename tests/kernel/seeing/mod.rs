//! What others see of a director that runs: Prometheus and its expressions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod connections;
mod prometheus;
mod web;
mod why;
