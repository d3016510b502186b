//! The director that runs: keeps the kernel's tables what the file and the checks say.
//!
//! ```text
//!   checks ── verdicts ──┐
//!   control socket ──────┤             ┌─► ipvs: a verdict's one operation, at once
//!   files, signals ──────┼─► core ─────┼─► reader, worker threads: load, dump, compare, transaction
//!   worker: what it saw ─┤             ├─► checks: start, stop
//!   timer ───────────────┘             └─► snapshot, events, commands to notify
//! ```
//!
//! - **The core decides, and nothing else does.** It is a function of its state, an input and the
//!   time; the kernel is handed in. The threads around it only carry.
//! - **The core never waits** for anything but the kernel's answer to one small request.
//! - **The snapshot** is all that `status`, metrics and pages read.

mod advice;
pub mod commands;
mod common;
mod core;
mod keeper;
mod link;
pub mod log;
mod name;
pub mod operator;
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
pub mod snapshot;
pub mod systemd;
mod tables;
mod targets;
mod watch_file;
mod worker;

use std::time::SystemTime;

use crate::state::BootTime;

/// What time it is: for deadlines, and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since boot.
    pub boot: BootTime,
    /// The calendar's.
    pub wall: SystemTime,
}

impl Now {
    /// A time since boot as one of the calendar.
    #[must_use]
    pub fn calendar(self, time: BootTime) -> SystemTime {
        if time >= self.boot {
            let ahead = self.boot.until(time);
            self.wall.checked_add(ahead).unwrap_or(self.wall)
        } else {
            let ago = time.until(self.boot);
            self.wall.checked_sub(ago).unwrap_or(self.wall)
        }
    }
}
