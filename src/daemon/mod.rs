//! The running director: keeps the kernel's tables in line with the file and the checks.
//!
//! ```text
//!   checks ── verdicts ──┐
//!   control socket ──────┤             ┌─► ipvs: a verdict's one operation, at once
//!   files, signals ──────┼─► core ─────┼─► reader, worker threads: load, dump, compare, transaction
//!   worker: what it saw ─┤             ├─► checks: start, stop
//!   timer ───────────────┘             └─► snapshot, events, commands to notify
//! ```
//!
//! - **The core makes every decision.** It is a function of its state, an input and the time; the
//!   kernel is an argument. The threads around it only transport.
//! - **The core never waits** for anything but the kernel's answer to one small request.
//! - **The snapshot** is everything that `status`, metrics and web pages read.

mod background;
pub mod commands;
mod common;
mod core;
mod historian;
mod keeper;
mod link;
pub mod log;
mod messages;
mod name;
mod outside;
mod overlay;
mod private;
mod pulse;
mod reader;
pub mod run;
mod server;
mod service;
#[cfg(test)]
mod sim;
pub mod systemd;
mod tables;
mod targets;
mod warnings;
mod watch_file;
mod worker;
