//! What the core and the runtime say to each other.

use std::sync::Arc;
use std::time::Duration;

use crate::control::event::EventKind;
use crate::control::failover::FailoverStatus;
use crate::state::failover::{FailoverOn, Failovers};

/// The core to the runtime.
#[derive(Debug)]
pub enum Command {
    /// The sections of the file in force. What did not change goes on undisturbed.
    Declare(Arc<Failovers>),
    /// Services take this much off a section's priority; or put it in fault, for this reason.
    Lower {
        /// The section's name.
        section: Arc<str>,
        /// How much.
        by: u32,
        /// Why it is in fault, if so.
        fault: Option<Arc<str>>,
    },
    /// Whether a section that waits for connections may take over from a router of lower priority.
    MayPreempt {
        /// The section's name.
        section: Arc<str>,
        /// Whether it may.
        may: bool,
    },
    /// The first verdicts are in.
    Ready,
    /// An earlier process had sections, and the file has none: what that left behind goes.
    Forget,
    /// Before the section is declared: what an operator set in an earlier process.
    Restore {
        /// The section's name.
        section: Arc<str>,
        /// What.
        restored: Restored,
    },
    /// Before the section is declared: the file is not the one that other directors know. It does
    /// not go on for the last process, and claims nothing for a while.
    Careful {
        /// The section's name.
        section: Arc<str>,
        /// For how long it listens at least.
        time: Duration,
    },
    /// Drop packets to the section's addresses that no service takes, for a while, or no longer.
    Shield {
        /// The section's name.
        section: Arc<str>,
        /// Whether to drop them.
        up: bool,
    },
    /// An operator's wish.
    Operate {
        /// The section's name.
        section: Arc<str>,
        /// What to do.
        operation: Operation,
        /// Whether this process ends for good after that, by the unit's `ExecStop=`.
        leaves: bool,
    },
}

/// An operator's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Hand over, and claim only if no other router does, for a time or until told otherwise.
    Yield {
        /// For how long.
        time: Option<Duration>,
    },
    /// Take over.
    Claim {
        /// For how long it keeps a raised priority.
        time: Option<Duration>,
    },
    /// End both.
    Auto,
}

/// A yield or claim of an earlier process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// A yield.
    Yield {
        /// Until when, since boot.
        until: Option<Duration>,
    },
    /// A claim.
    Claim {
        /// The priority to which it was raised.
        priority: u8,
        /// Until when, since boot.
        until: Option<Duration>,
    },
}

/// The runtime to the core.
#[derive(Debug)]
pub enum Report {
    /// The state of a section has changed.
    Status(Box<FailoverStatus>),
    /// A section is no longer there.
    Gone(Arc<str>),
    /// Something happened.
    Event {
        /// The section's name.
        section: Arc<str>,
        /// What.
        kind: EventKind,
        /// For people.
        text: String,
        /// For the section's commands.
        on: Option<FailoverOn>,
    },
    /// What the runtime itself lacks.
    Weakness(String),
}
