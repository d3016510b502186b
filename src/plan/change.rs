//! Steps of a plan: what is done, and how it is undone.

use std::fmt;

use ipvs::{DaemonRole, Operation, SyncDaemon, Timeouts};

use super::Effect;
use crate::state::{ObservedService, Sysctl};

/// Which of the three phases a step belongs to. Each is a barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Creates and widens.
    Make,
    /// Changes in place.
    Change,
    /// Narrows and deletes.
    Break,
}

impl Phase {
    /// All three, in their order.
    pub const ALL: [Self; 3] = [Self::Make, Self::Change, Self::Break];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Make => "make",
            Self::Change => "change",
            Self::Break => "break",
        })
    }
}

/// One thing that is done to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An operation on the IPVS tables.
    Operation(Operation),
    /// A sysctl written.
    Sysctl {
        /// Which.
        sysctl: Sysctl,
        /// Its new value.
        value: String,
    },
}

impl Change {
    /// Whether it makes something that was not there.
    #[must_use]
    pub const fn creates(&self) -> bool {
        matches!(
            self,
            Self::Operation(
                Operation::AddService(_) | Operation::AddServer(..) | Operation::StartDaemon(_)
            )
        )
    }
}

impl From<Operation> for Change {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(operation) => operation.fmt(f),
            Self::Sysctl { sysctl, value } => write!(f, "set {sysctl} to {value}"),
        }
    }
}

/// A change in its place, with what undoes it and what it does to traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub phase: Phase,
    /// What.
    pub change: Change,
    /// What gives back the configuration from before, to be done in this order.
    pub undo: Vec<Change>,
    /// What it does to traffic.
    pub effects: Vec<Effect>,
}

impl Step {
    pub(super) fn new(phase: Phase, change: impl Into<Change>, undo: Vec<Change>) -> Self {
        Self {
            phase,
            change: change.into(),
            undo,
            effects: Vec::new(),
        }
    }

    pub(super) fn with(mut self, effects: impl IntoIterator<Item = Effect>) -> Self {
        self.effects.extend(effects);
        self
    }
}

/// What brings a deleted service back, its servers in the order in which they were added: under
/// `sh` that decides which client goes where. (Not its counters, nor its connections.)
pub(super) fn restore_service(service: &ObservedService) -> Vec<Change> {
    let key = service.entry.service.key;
    let servers = service
        .servers
        .values()
        .map(|entry| Operation::AddServer(key, entry.server));
    std::iter::once(Operation::AddService(service.entry.service))
        .chain(servers)
        .map(Change::Operation)
        .collect()
}

/// What sets the time limits back.
pub(super) fn restore_timeouts(before: Timeouts) -> Vec<Change> {
    vec![Operation::SetTimeouts(before).into()]
}

/// What starts a daemon again that was stopped.
pub(super) fn restart(daemon: &SyncDaemon) -> Vec<Change> {
    vec![Operation::StartDaemon(*daemon).into()]
}

/// What stops a daemon again that was started.
pub(super) fn stop(role: DaemonRole) -> Vec<Change> {
    vec![Operation::StopDaemon(role).into()]
}
