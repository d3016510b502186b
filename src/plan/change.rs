//! Steps of a plan: what each does, and how it is rolled back.

use std::fmt;

use ipvs::{Operation, SyncDaemon, Timeouts};

use super::Effect;
use crate::state::{ObservedService, Sysctl};

/// The phase of a step. Each phase is a barrier.
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
    /// All three, in order.
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

/// One change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An operation on the IPVS tables.
    Operation(Operation),
    /// A sysctl to write.
    Sysctl {
        /// The sysctl's name.
        sysctl: Sysctl,
        /// Its new value.
        value: String,
    },
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

/// A change with its phase, its rollback and its effect on traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The phase of the step.
    pub phase: Phase,
    /// The change itself.
    pub change: Change,
    /// `None` for a step that creates something without an effect on traffic, as do most of the
    /// tens of thousands of steps of a large plan.
    more: Option<Box<More>>,
}

/// The rest of a step that does more than create something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct More {
    undo: Undo,
    effects: Vec<Effect>,
}

/// How a step is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Undo {
    /// Delete what it created.
    #[default]
    Delete,
    /// These changes, in this order.
    Changes(Vec<Change>),
}

impl Step {
    /// A step that creates something, rolled back by deletion.
    pub(super) fn create(phase: Phase, operation: Operation) -> Self {
        Self {
            phase,
            change: operation.into(),
            more: None,
        }
    }

    pub(super) fn new(phase: Phase, change: impl Into<Change>, undo: Vec<Change>) -> Self {
        Self {
            phase,
            change: change.into(),
            more: Some(Box::new(More {
                undo: Undo::Changes(undo),
                effects: Vec::new(),
            })),
        }
    }

    pub(super) fn with(mut self, effects: impl IntoIterator<Item = Effect>) -> Self {
        let mut effects = effects.into_iter().peekable();
        if effects.peek().is_some() {
            let more = self.more.get_or_insert_default();
            more.effects.extend(effects);
        }
        self
    }

    /// The changes that restore the earlier configuration, in order.
    #[must_use]
    pub fn undo(&self) -> Vec<Change> {
        match (self.changes_back(), &self.change) {
            (Some(changes), _) => changes.to_vec(),
            (None, Change::Operation(operation)) => deletion(operation),
            (None, Change::Sysctl { .. }) => Vec::new(),
        }
    }

    /// The step's effects on traffic.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        self.more.as_ref().map_or(&[], |more| &more.effects)
    }

    /// The rollback, if it is more than a deletion: something existed before.
    pub(crate) fn changes_back(&self) -> Option<&[Change]> {
        match &self.more.as_ref()?.undo {
            Undo::Changes(changes) => Some(changes),
            Undo::Delete => None,
        }
    }

    /// The first change of the rollback, if it is more than a deletion.
    pub(super) fn before(&self) -> Option<&Change> {
        self.changes_back()?.first()
    }
}

fn deletion(operation: &Operation) -> Vec<Change> {
    let deletion = match operation {
        Operation::AddService(service) => Operation::DeleteService(service.key),
        Operation::AddServer(key, server) => Operation::DeleteServer(*key, server.key),
        Operation::StartDaemon(daemon) => Operation::StopDaemon(daemon.role),
        _ => return Vec::new(),
    };
    vec![deletion.into()]
}

/// The changes that restore a deleted service, its servers in the order in which they were added:
/// it decides which client goes where under `sh`. (Counters and connections are lost.)
pub(super) fn restore_service(service: &ObservedService) -> Vec<Change> {
    let key = service.service.key;
    let servers = service
        .as_added()
        .map(|entry| Operation::AddServer(key, entry.server));
    std::iter::once(Operation::AddService(service.service))
        .chain(servers)
        .map(Change::Operation)
        .collect()
}

/// The change that restores the timeouts.
pub(super) fn restore_timeouts(before: Timeouts) -> Vec<Change> {
    vec![Operation::SetTimeouts(before).into()]
}

/// The change that restarts a stopped daemon.
pub(super) fn restart(daemon: &SyncDaemon) -> Vec<Change> {
    vec![Operation::StartDaemon(*daemon).into()]
}
