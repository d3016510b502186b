//! Faults that a test plans for operations to come.

use std::collections::VecDeque;

use crate::error::Errno;

/// What happens to an operation instead of what should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with that errno and not carried out.
    Refuse(Errno),
    /// It is carried out (or refused), and the answer is dropped for want of buffer space.
    LoseAnswer,
    /// It is carried out, and nothing is said at all, as with a sync daemon that is stopped before
    /// it ever ran.
    Silence,
    /// It is carried out, and the answer has a sequence number that was never used.
    WrongSequence,
    /// It is carried out, and the answer ends in the middle of the acknowledgement.
    ShortAnswer,
}

/// Faults in line, each after so many operations that go well.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: VecDeque<(usize, Fault)>,
}

impl Faults {
    pub(super) fn push(&mut self, skip: usize, fault: Fault) {
        self.waiting.push_back((skip, fault));
    }

    /// The fault for the operation that comes now.
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
