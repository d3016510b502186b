//! Health checks of small servers on loopback, through the crate's public interface.
//!
//! ```text
//! ask.rs            one check, asked of one place: what came out
//! serve.rs          servers that do as they should, and others
//! certificates.rs   an authority and what it signs
//! databases/        MariaDB, PostgreSQL and Redis under many checks
//! ```
//!
//! No port is fixed and no time is asserted; where a test waits, the timeout is generous.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod ask;
mod certificates;
mod databases;
mod early;
mod grpc;
mod hostile;
mod http;
mod idle;
mod odd_heads;
mod programs;
mod runner;
mod serve;
mod speaks_first;
mod tcp;
mod tls;
