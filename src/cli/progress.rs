//! A progress bar on stderr, where there is a terminal and enough to do.

use std::io::{self, IsTerminal};

use super::output::note;
use crate::apply::Progress;

/// Fewer steps are done before anybody could read a bar.
const WORTH_IT: usize = 5_000;
const WIDTH: usize = 40;

pub(crate) struct Bar {
    shown: bool,
}

impl Bar {
    pub(crate) fn new(steps: usize) -> Self {
        Self {
            shown: steps >= WORTH_IT && io::stderr().is_terminal(),
        }
    }

    pub(crate) fn show(&self, progress: Progress) {
        if self.shown && progress.total > 0 {
            let filled = progress.done * WIDTH / progress.total;
            let bar = format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled));
            let Progress { phase, done, total } = progress;
            note(format_args!("\r  {phase:<6} {bar} {done}/{total} "));
        }
    }

    pub(crate) fn clear(&self) {
        if self.shown {
            note(format_args!("\r\x1b[K"));
        }
    }
}
