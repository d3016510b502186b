//! The state of each target, for display.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::NotChecked;

/// The state of a target, written by the checks.
#[derive(Debug, Default)]
pub struct Record(Mutex<Seen>);

/// The contents of a [`Record`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the last check started.
    pub at: Option<SystemTime>,
    /// Its duration.
    pub took: Duration,
    /// The failure, if it failed; otherwise its information, if any.
    pub text: Option<Box<str>>,
    /// Whether it succeeded.
    pub passed: bool,
    /// Consecutive checks with this result.
    pub streak: u32,
    /// When the last failed check started.
    pub failed_at: Option<SystemTime>,
    /// Successful checks so far.
    pub successes: u64,
    /// Failed checks so far.
    pub failures: u64,
    /// Checks that could not be carried out.
    pub not_asked: u64,
    /// Why the target is not checked now.
    pub not_checked: Option<Box<NotChecked>>,
    /// The longest time between the starts of two checks.
    pub longest_gap: Duration,
}

impl Record {
    /// A copy of the current state.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes the state.
    pub fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
