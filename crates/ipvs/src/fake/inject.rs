//! Faults that a test injects into operations to come.

use std::collections::VecDeque;

use crate::error::Errno;

/// A fault in place of an operation's normal result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refuses the operation with this errno and does not carry it out.
    Refuse(Errno),
    /// Carries the operation out (or refuses it) and drops the answer, as if the buffer were full.
    LoseAnswer,
    /// Carries the operation out and sends no answer, as for a sync daemon that is stopped before
    /// it ever ran.
    Silence,
    /// Carries the operation out and answers with a sequence number that was never used.
    WrongSequence,
    /// Carries the operation out and cuts the acknowledgement in the middle.
    ShortAnswer,
}

/// A queue of faults, each after a number of operations without one.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: VecDeque<(usize, Fault)>,
}

impl Faults {
    pub(super) fn push(&mut self, skip: usize, fault: Fault) {
        self.waiting.push_back((skip, fault));
    }

    /// The fault for the current operation.
    pub(super) fn next(&mut self) -> Option<Fault> {
        let (skip, fault) = self.waiting.front_mut()?;
        if *skip > 0 {
            *skip -= 1;
            return None;
        }
        let fault = *fault;
        self.waiting.pop_front();
        Some(fault)
    }
}
