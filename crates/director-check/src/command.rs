//! What the checks are told.

use std::sync::Arc;

use super::{Record, Target, TargetId, Verdict};

/// An order to start or stop checking a target.
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
