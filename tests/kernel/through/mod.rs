//! Checks through the forwarding path: a server that lost the virtual address is found, with every
//! method and family that has one.
//!
//! ```text
//!   bench.rs    a director with such checks, driven by hand instead of by the daemon
//!   found.rs    who is found, and who is not taken for another
//!   daemon.rs   the same, by the director that runs
//!   private.rs  nobody sees the private services, and none is left behind
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

mod bench;
mod daemon;
mod found;
mod private;
