//! The service file: every message as printed, the examples, the schema, and the round trip of
//! export and load.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod again;
mod allow;
mod crowds;
mod dialects;
mod discovery;
mod examples;
mod failover;
mod fits;
mod golden;
mod health;
mod joined;
mod noise;
mod reference;
mod round_trip;
mod schema;

/// The number of random cases: `scripts/test --quick` sets `DIRECTOR_QUICK` and runs an eighth of them.
fn cases(all: u32) -> u32 {
    match std::env::var_os("DIRECTOR_QUICK") {
        Some(_) => all.div_ceil(8),
        None => all,
    }
}
