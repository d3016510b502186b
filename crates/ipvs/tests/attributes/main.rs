//! Every attribute of `include/uapi/linux/ip_vs.h`, byte by byte: what it is encoded to, and what
//! the bytes that a real kernel wrote are decoded to.
//!
//! A file for each nest; the captures and the commands that made them are in `captured.rs`. They
//! are of a little-endian machine, and so are these tests.
#![cfg(target_endian = "little")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod bytes;
mod captured;
mod daemon;
mod family;
mod requests;
mod server;
mod service;
mod settings;
mod stats;
