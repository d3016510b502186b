//! The messages between the core and the threads around it: plain values.
//!
//! ```text
//!   core ── Out ───► reader, worker, keeper, checks, commands
//!   core ◄── Input ── reader, worker, keeper, checks, control socket, signals
//! ```
//!
//! Core, reader, worker and keeper import these types, but not each other.

mod disk;
mod files;
mod tables;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use ipvs::{ServerKey, ServiceKey};
use serde::Serialize;

use crate::announce;
use crate::check::{Command, Finding};
use crate::control::operator::{Answer, Refusal, Request};
use crate::discovery;
use crate::failover;
use crate::peers;
use crate::state::failover::FailoverOn;
use crate::state::health::{Notify, NotifyOn};

pub(super) use disk::{Keep, Missing, Task};
pub(super) use files::{Declared, FilesRead, Order, ReadOrder};
pub(super) use tables::{
    Changes, Declaration, Done, First, Job, Loaded, NotDone, Read, Reading, Transacted, Transaction,
};

/// A server of a service.
pub(super) type Member = (ServiceKey, ServerKey);

/// Servers changed during a transaction, which leaves them alone.
pub(super) type Hot = Arc<Mutex<HashSet<Member>>>;

/// The receiver of an answer.
pub(super) type Reply = Box<dyn FnOnce(Result<Answer, Refusal>) + Send>;

/// An input of the core.
pub(super) enum Input {
    /// A check's verdict or advice changed.
    Finding(Finding),
    /// A request by an operator.
    Request(Request, Reply),
    /// The files changed.
    Changed,
    /// SIGHUP arrived.
    Reload,
    /// The worker has finished a job.
    Done(Done),
    /// The operators' settings up to this number are on disk, or why they are not. Requests waiting
    /// for them are then answered.
    Kept(u64, Result<(), String>),
    /// What is missing from the state directory.
    Missing(Missing),
    /// The failover threads report.
    Failover(failover::Report),
    /// How the history does.
    Recorded(Recorded),
    /// The threads of peers report.
    Peer(peers::Report),
    /// The thread of announcements reports.
    Announce(announce::Report),
    /// The threads of discovery report.
    Discovery(discovery::Report),
    /// The network namespace has lost its name, with the consequences.
    Nameless(String),
    /// Another namespace has the name now: the director ends, for this reason.
    Superseded(String),
    /// The director stops.
    Stop,
}

/// How the history does.
#[derive(Debug, Clone)]
pub(super) enum Recorded {
    /// The disk takes nothing, for this reason.
    Paused(String),
    /// It does again.
    Resumed,
    /// What an earlier director recorded is damaged.
    Damaged(String),
}

/// The work for the threads around the core.
#[derive(Default)]
pub(super) struct Out {
    pub(super) checks: Vec<Command>,
    /// Read the files.
    pub(super) read: Option<ReadOrder>,
    pub(super) jobs: Vec<Job>,
    pub(super) notify: Vec<Notification>,
    /// Settings to put on disk; [`Input::Kept`] answers.
    pub(super) keep: Option<Keep>,
    /// For the failover threads.
    pub(super) failover: Vec<failover::Command>,
    /// For the threads of peers.
    pub(super) peers: Vec<peers::Command>,
    /// For the thread of announcements.
    pub(super) announce: Vec<announce::Command>,
    /// For the threads of discovery.
    pub(super) discovery: Vec<discovery::Command>,
    /// Look whether the state directory is still there; [`Input::Missing`] answers.
    pub(super) look: bool,
}

/// An event that may run commands.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    /// The commands of its service, each with the events that it is for; those of a failover
    /// section that are for this event.
    pub(super) commands: Arc<[Notify]>,
    pub(super) event: NotifyEvent,
}

/// What an event for commands is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum NotifyAbout {
    Service {
        event: NotifyOn,
        /// The service's name in the file.
        service: Arc<str>,
        listen: ServiceKey,
        /// The server, if the event concerns one.
        server: Option<ServerKey>,
    },
    Failover {
        event: FailoverOn,
        /// The section's name in the file.
        failover: Arc<str>,
    },
}

/// An event in the form for commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct NotifyEvent {
    #[serde(flatten)]
    pub(super) about: NotifyAbout,
    /// The reason.
    pub(super) text: Arc<str>,
    /// The time, in milliseconds since 1970.
    pub(super) at_ms: u64,
}
