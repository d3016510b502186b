//! Health checks: run on time, each kind in a file of its own, a verdict as a pure function.
//!
//! ```text
//!             Command::Start, Stop            Finding::Judged, Advised
//!   daemon ───────────────────────► Checks ─────────────────────────► daemon
//!                                     │ a thread and runtime of its own
//!                  schedule: who is due │ kind/: one check, run │ verdict: rise and fall
//!                                     ▼
//!                                   Record, shared: what the last check found, for `status`
//! ```
//!
//! - **Nothing delays a check**: neither a dump nor a reload nor the control socket is on this
//!   thread.
//! - **Only news leaves the room.** A check that says what the last one said is counted in its
//!   [`Record`] and no more.
//! - **A target is checked once**, however many services have the server.

mod computing;
mod connects;
mod exchange;
mod failure;
mod files;
mod held_up;
mod inbox;
mod kind;
mod limits;
mod net;
mod own_link;
pub mod program;
mod runner;
mod schedule;
mod statistics;
pub mod table;
pub mod through;
mod unasked;
mod verdict;
mod worker;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ipvs::ServiceKey;

use director_config::state::health::CheckSpec;

#[doc(hidden)]
pub use kind::fuzz::decode_answer;
pub use runner::Checks;
pub use statistics::{Lateness, Statistics};
pub use unasked::NotChecked;

/// What is checked: a spec and a place. Targets that are equal are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// What is asked, how often.
    pub spec: Arc<CheckSpec>,
    /// Where: the spec's address, else the server's.
    pub address: IpAddr,
    /// The spec's port, else the server's; 0 for a kind that has none.
    pub port: u16,
    /// The virtual service, for a check through the forwarding path and for those whose command
    /// or file names it; `None` for all others, so that services share the target.
    pub service: Option<ServiceKey>,
    /// The server's own address and port, for those whose command or file names it.
    pub server: (IpAddr, u16),
    /// The service's name in the file, where `service` is some.
    pub service_name: Option<Arc<str>>,
    /// The server's name in the file, for the environment of commands.
    pub server_name: Option<Arc<str>>,
}

/// A target's number, given by whoever starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// What the checks are told.
#[derive(Debug)]
pub enum Command {
    /// Check this target from now on. The first check comes at once; of many that are started
    /// together one after the other, 5,000 a second, and at the latest after an interval.
    Start {
        /// Its number from now on.
        id: TargetId,
        /// What.
        target: Arc<Target>,
        /// The verdict to begin with.
        verdict: Verdict,
        /// Where what is found is written.
        record: Arc<Record>,
    },
    /// Check it no longer. Nothing is said of it after that, but for what was under way.
    Stop(TargetId),
}

/// Whether a target is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not known yet: `rise` successes make it up, `fall` failures down.
    Open,
    /// Up, until `fall` failures in a row.
    Up,
    /// Down, until `rise` successes in a row.
    Down,
}

/// What the checks have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The verdict changed.
    Judged {
        /// Of what.
        target: TargetId,
        /// To `Up` or `Down`.
        verdict: Verdict,
        /// To `Down`, and this machine had no way to it: its own interface is down or has no
        /// carrier, or there is no route. That says as much about this machine as about the server.
        cut_off: bool,
        /// What the last check said.
        reason: Arc<str>,
    },
    /// The agent, or the answer, says something else about its weight or its use than before.
    Advised {
        /// Of what.
        target: TargetId,
        /// What it says now.
        advice: Advice,
    },
    /// Checks of it could not be asked for some time, for want of something on this machine; or
    /// they can again. The verdict stays.
    NotAsked {
        /// Of what.
        target: TargetId,
        /// What is missing; `None` when it is there again.
        why: Option<Arc<str>>,
    },
}

/// What a check can say beside whether its server is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Advice {
    /// The weight, in percent of the declared one, 0 to 10,000.
    pub weight: Option<u16>,
    /// Whether it should get new clients.
    pub admin: Admin,
}

/// Whether a server should get new clients, as its agent has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Admin {
    /// It should.
    #[default]
    Ready,
    /// It should not, but keeps the connections it has.
    Drain,
    /// It is in maintenance: out.
    Maint,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the server is well.
    pub outcome: Outcome,
    /// What else it said; `None` if that kind of check, or this answer, says nothing.
    pub advice: Option<Advice>,
    /// It failed as this machine has no way to the server.
    pub cut_off: bool,
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well, with what is worth telling.
    Passed(Option<Box<str>>),
    /// Not well: what was wrong.
    Failed(Box<str>),
    /// The question could not be asked, for want of something on this machine: no descriptors, no
    /// memory, a source address it does not have; or the answer not heard, as the director itself
    /// did not run. It says nothing about the server; the verdict stays.
    NotAsked(Box<str>),
}

/// What is known of a target: written by the checks, read by whoever shows it.
#[derive(Debug, Default)]
pub struct Record(Mutex<Seen>);

/// The contents of a [`Record`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the last check began.
    pub at: Option<SystemTime>,
    /// How long it took.
    pub took: Duration,
    /// What was wrong with it, if anything was; else what it told, if it told anything.
    pub text: Option<Box<str>>,
    /// Whether it succeeded.
    pub passed: bool,
    /// So many in a row had this result.
    pub streak: u32,
    /// When the last one that failed began.
    pub failed_at: Option<SystemTime>,
    /// So many checks succeeded so far.
    pub successes: u64,
    /// So many failed.
    pub failures: u64,
    /// So many could not be asked.
    pub not_asked: u64,
    /// Why it is not checked now.
    pub not_checked: Option<Box<NotChecked>>,
    /// The longest time between the starts of two checks.
    pub longest_gap: Duration,
}

impl Record {
    /// What is known now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes what is known.
    pub fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
