//! The codec: captured bytes, round trips, hostile bytes, and what each refusal says.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod golden;
mod refusals;
mod round_trip;
