//! What the core and the thread say to each other.

use std::sync::Arc;

use crate::state::failover::Announced;

/// Addresses with this `IFA_PROTO`, and routes with this protocol, are announced by director.
pub(super) const MARK: u8 = 114;

/// Where a section's addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// They are not announced.
    Withdrawn,
    /// They are announced.
    Announced,
    /// Their routes have the metric for too little health.
    Fallback,
}

impl Position {
    /// Whether routers may send packets here.
    #[must_use]
    pub const fn is_announced(self) -> bool {
        !matches!(self, Self::Withdrawn)
    }
}

/// The core to the thread.
#[derive(Debug)]
pub enum Command {
    /// The sections of the file in force. What did not change goes on undisturbed; what an earlier
    /// process announced stays announced until [`Command::Set`] decides.
    Declare(Vec<Arc<Announced>>),
    /// Announce or withdraw a section.
    Set {
        /// The section's name.
        section: Arc<str>,
        /// What it becomes.
        to: Position,
    },
}

/// The thread to the core.
#[derive(Debug)]
pub enum Report {
    /// What an earlier process announced is still announced.
    Found(Vec<Arc<str>>),
    /// The kernel has it.
    Reached {
        /// The section's name.
        section: Arc<str>,
        /// Where it is now.
        to: Position,
    },
    /// What the kernel refuses, for people; `None`: nothing any more.
    Trouble {
        /// The section's name.
        section: Arc<str>,
        /// What, and what to do.
        why: Option<String>,
    },
    /// Another program changed something, and director undid it.
    Restored {
        /// The section's name.
        section: Arc<str>,
        /// What, for people.
        text: String,
    },
    /// The thread cannot run.
    Failed(String),
}
