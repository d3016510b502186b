//! What is known of each target, for whoever shows it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::NotChecked;

/// What is known of a target: written by the checks, read by whoever shows it.
#[derive(Debug, Default)]
pub struct Record(Mutex<Seen>);

/// The contents of a [`Record`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the last check began.
    pub at: Option<SystemTime>,
    /// How long it took.
    pub took: Duration,
    /// What was wrong with it, if anything was; else what it told, if it told anything.
    pub text: Option<Box<str>>,
    /// Whether it succeeded.
    pub passed: bool,
    /// So many in a row had this result.
    pub streak: u32,
    /// When the last one that failed began.
    pub failed_at: Option<SystemTime>,
    /// So many checks succeeded so far.
    pub successes: u64,
    /// So many failed.
    pub failures: u64,
    /// So many could not be asked.
    pub not_asked: u64,
    /// Why it is not checked now.
    pub not_checked: Option<Box<NotChecked>>,
    /// The longest time between the starts of two checks.
    pub longest_gap: Duration,
}

impl Record {
    /// What is known now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Changes what is known.
    pub fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
