//! Directors that tell each other their connections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod broken;
mod certificates;
mod channel;
mod health;
mod moves;
mod partitions;
mod reading;
mod relay;
mod switchover;
mod table;
