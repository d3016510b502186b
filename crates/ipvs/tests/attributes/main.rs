//! Every attribute of `include/uapi/linux/ip_vs.h`, byte by byte: encoding, and decoding of bytes
//! from a real kernel.
//!
//! One file per nest; the captures and their commands are in `captured.rs`. They come from a
//! little-endian machine, and the tests need one.
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
