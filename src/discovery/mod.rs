//! Servers that come and go by themselves: asks the sources of pools, and writes their lists.
//!
//! ```text
//!   source ◄─ asker, a thread `discover-POOL` each ─ Answer ─► board.rs, thread `discovery`
//!                                                               │ rules.rs: what may come of it
//!   core ◄─ Report ──────────────────────────────────────────────┤
//!    │                                                          ▼
//!    └─► reader: reads the files again ◄──────────────────── list.rs: discovered/POOL.toml
//! ```
//!
//! - **A list is a file.** Lists are read together with the service file: by the director after
//!   a change and after a restart, by `plan` and `apply`.
//! - **A source that hangs hangs its own thread.** Every question has a limit; nothing waits for the
//!   answer.
//! - **Rules decide, not answers** (`rules.rs`): an answer that breaks them changes nothing, and
//!   `status` says why.
//!
//! # To add a kind of source
//!
//! A file here that asks, its line in `sources.rs` (`http/` asks over HTTP, `entry.rs` reads servers); in `director-config` a file in `discovery/` with its
//! keys, and its line there.

mod board;
mod consul;
mod dns;
mod entry;
mod etcd;
#[cfg(test)]
#[path = "../../tests/sources/mod.rs"]
mod fakes;
mod file;
mod first;
#[cfg(test)]
mod fixtures;
mod http;
mod kubernetes;
mod list;
mod listed;
mod message;
mod names;
mod pace;
mod priority;
mod query;
mod rules;
mod secret;
mod sources;

pub use board::Running;
pub use list::directory;
pub use listed::{Answer, Answered, Asker, Listed};
pub use message::{Command, Report};
pub use rules::shown;
pub use sources::asker;

pub(crate) use first::first_lists;
