//! Exit codes.

use std::process::ExitCode;

/// The result of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, or nothing to do.
    Done,
    /// 1: failed; stderr says why.
    Failed,
    /// 2: `plan` found changes.
    Changes,
    /// 3: timed out while waiting.
    TooLate,
    /// 4: no director is running here.
    NotRunning,
    /// 5: in force but not on disk: a crash or a restart may lose it.
    NotKept,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::TooLate => 3,
            Exit::NotRunning => 4,
            Exit::NotKept => 5,
        })
    }
}
