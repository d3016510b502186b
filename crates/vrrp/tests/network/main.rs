//! Two and three routers on a simulated network, in virtual time.
//!
//! ```text
//! chance.rs      seeded random numbers
//! world.rs       routers, the network between them, the order of events
//! trouble.rs     random faults, from a seed that proptest shrinks
//! settles.rs     after any trouble: one active router, the right one, and it stays
//! stalls.rs      routers that did not run for a while
//! switchover.rs  planned switchover: at every moment a router holds the addresses
//! ```
//!
//! All messages are encoded and decoded.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod chance;
mod settles;
mod stalls;
mod switchover;
mod trouble;
mod world;
