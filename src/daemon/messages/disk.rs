//! The core and the keeper: operators' settings on their way to the state directory.

use crate::control::Now;
use crate::control::operator::Settings;

/// Settings to put on disk.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Keep {
    /// Later settings have higher numbers.
    pub(in crate::daemon) number: u64,
    pub(in crate::daemon) settings: Settings,
    /// When they were set.
    pub(in crate::daemon) at: Now,
}

/// What the keeper should do.
#[derive(Debug)]
pub(in crate::daemon) enum Task {
    Keep(Keep),
    /// Check what is missing from the state directory.
    Look,
}

/// The files missing from the state directory.
#[derive(Debug, Clone, Copy)]
pub(in crate::daemon) struct Missing {
    pub(in crate::daemon) ledger: bool,
    /// Operators' settings.
    pub(in crate::daemon) settings: bool,
}
