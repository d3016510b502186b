//! The state machine, situation by situation. Random networks are in `tests/network`.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod anything;
mod bench;
mod diagnostics;
mod election;
mod groups;
mod handover;
mod trouble;
