//! The core, the reader and the worker: service files, from the order to read them until they are
//! compared.

use std::sync::Arc;

use crate::config::{Services, Shape};
use crate::state::Desired;
use crate::state::failover::Failovers;
use crate::state::health::Watch;

/// How to read the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::daemon) struct Order {
    /// Whether a person overrides the guards.
    pub(in crate::daemon) force: bool,
    /// Whether a person or a program asked for it. Otherwise the files changed, and may still be
    /// changing.
    pub(in crate::daemon) asked: bool,
}

impl Order {
    /// The order after a change of the files.
    pub(in crate::daemon) const UNASKED: Self = Self {
        force: false,
        asked: false,
    };

    pub(in crate::daemon) const fn asked(force: bool) -> Self {
        Self { force, asked: true }
    }

    /// Merges two orders into one.
    pub(in crate::daemon) fn join(&mut self, other: Self) {
        self.force |= other.force;
        self.asked |= other.asked;
    }
}

/// An order to read the files.
#[derive(Debug, Clone, Copy)]
pub(in crate::daemon) struct ReadOrder {
    /// Whether nothing is in force yet.
    pub(in crate::daemon) first: bool,
    pub(in crate::daemon) order: Order,
}

/// Files that were read.
#[derive(Debug)]
pub(in crate::daemon) struct FilesRead {
    pub(in crate::daemon) first: bool,
    pub(in crate::daemon) order: Order,
    /// The declarations, or the mistakes.
    pub(in crate::daemon) outcome: Result<Declared, String>,
}

/// The declarations of files without mistakes.
#[derive(Debug)]
pub(in crate::daemon) struct Declared {
    /// Everything but the services.
    pub(in crate::daemon) rest: Desired,
    pub(in crate::daemon) watch: Watch,
    pub(in crate::daemon) failovers: Arc<Failovers>,
    pub(in crate::daemon) services: Services,
    pub(in crate::daemon) shape: Shape,
    /// Their warnings, as text.
    pub(in crate::daemon) warnings: String,
}
