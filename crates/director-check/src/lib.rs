//! Health checks: run on time, one file per kind, and verdicts as a pure function.
//!
//! ```text
//!             Command::Start, Anew, Stop      Finding::Judged, Advised
//!   daemon ───────────────────────► Checks ─────────────────────────► daemon
//!                                     │ a thread and runtime of its own
//!                  schedule: who is due │ kind/: one check, run │ verdict: rise and fall
//!                                     ▼
//!                                   Record, shared: what the last check found, for `status`
//! ```
//!
//! - **Nothing delays a check**: dumps, reloads and the control socket are on other threads.
//! - **Only news is reported.** A check with the same result as the last one is only counted in its
//!   [`Record`].
//! - **A target is checked once**, however many services have the server.

mod command;
mod computing;
mod connects;
mod exchange;
mod failure;
mod files;
mod finding;
mod held_up;
mod holds;
mod inbox;
mod kind;
mod limits;
mod net;
mod own_link;
pub mod program;
mod record;
mod runner;
mod schedule;
mod sources;
mod statistics;
pub mod table;
mod target;
pub mod through;
pub mod tls;
mod unasked;
mod verdict;
mod worker;

pub use command::Command;
pub use finding::{Admin, Advice, Finding, Outcome, Report, Verdict};
#[doc(hidden)]
pub use kind::fuzz::decode_answer;
pub use record::{Record, Seen};
pub use runner::Checks;
pub use statistics::{Lateness, Observer, Results, Statistics};
pub use target::{Target, TargetId};
pub use unasked::NotChecked;
