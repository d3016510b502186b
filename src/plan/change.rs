//! Steps of a plan: what is done, and how it is undone.

use std::fmt;

use ipvs::{Operation, SyncDaemon, Timeouts};

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
    /// Nothing for what makes something and does nothing to traffic: most steps of a large plan,
    /// of which there are tens of thousands.
    more: Option<Box<More>>,
}

/// What there is to say of a step that does more than making something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct More {
    undo: Undo,
    effects: Vec<Effect>,
}

/// How a step is undone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Undo {
    /// What it made is deleted.
    #[default]
    Delete,
    /// These changes, in this order.
    Changes(Vec<Change>),
}

impl Step {
    /// A step that makes something: it is undone by deleting that.
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

    /// What gives back the configuration from before, to be done in this order.
    #[must_use]
    pub fn undo(&self) -> Vec<Change> {
        match (self.changes_back(), &self.change) {
            (Some(changes), _) => changes.to_vec(),
            (None, Change::Operation(operation)) => deletion(operation),
            (None, Change::Sysctl { .. }) => Vec::new(),
        }
    }

    /// What it does to traffic.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        self.more.as_ref().map_or(&[], |more| &more.effects)
    }

    /// What undoes it, where that is not a mere deletion: something was there before.
    pub(crate) fn changes_back(&self) -> Option<&[Change]> {
        match &self.more.as_ref()?.undo {
            Undo::Changes(changes) => Some(changes),
            Undo::Delete => None,
        }
    }

    /// The first of the changes that undo it, where they are not a mere deletion.
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

/// What brings a deleted service back, its servers in the order in which they were added: under
/// `sh` that decides which client goes where. (Not its counters, nor its connections.)
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

/// What sets the time limits back.
pub(super) fn restore_timeouts(before: Timeouts) -> Vec<Change> {
    vec![Operation::SetTimeouts(before).into()]
}

/// What starts a daemon again that was stopped.
pub(super) fn restart(daemon: &SyncDaemon) -> Vec<Change> {
    vec![Operation::StartDaemon(*daemon).into()]
}
