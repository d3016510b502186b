//! The drop-in `ipvsadm` compared with Debian's, on a real kernel.
//!
//! ```text
//!   namespace "debian"                      namespace "ours"
//!   /usr/sbin/ipvsadm ◄── the same case ──► the drop-in
//!          │                                       │
//!   stdout, stderr, exit code  ◄─ compared ─► stdout, stderr, exit code
//!   tables (by the library)    ◄─ compared ─► tables
//! ```
//!
//! * `differential`: cases from a fixed catalogue, every command with every option, and cases
//!   generated for each run. The seed is printed; `DIRECTOR_SEED` replays one.
//! * `differences`: the drop-in's intended differences, and that Debian's really behaves otherwise.
//! * `traffic`: lists of a table that carries connections.
//! * `bad_input`: invalid input, and outputs that reject writes.

#![allow(
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

mod bad_input;
mod catalogue;
mod compare;
mod differences;
mod differential;
mod generate;
pub(super) mod programs;
mod traffic;
