//! The core and the keeper: what operators have set, on its way to the state directory.

use crate::control::Now;
use crate::control::operator::Settings;

/// Settings to put on disk.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Keep {
    /// Later ones have higher numbers.
    pub(in crate::daemon) number: u64,
    pub(in crate::daemon) settings: Settings,
    /// When they were set.
    pub(in crate::daemon) at: Now,
}

/// What the keeper should do.
#[derive(Debug)]
pub(in crate::daemon) enum Task {
    Keep(Keep),
    /// Look what is missing in the state directory.
    Look,
}

/// Which files the state directory lacks.
#[derive(Debug, Clone, Copy)]
pub(in crate::daemon) struct Missing {
    pub(in crate::daemon) ledger: bool,
    /// What operators have set.
    pub(in crate::daemon) settings: bool,
}
