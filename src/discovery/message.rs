//! What the core and the threads of pools say to each other.

use std::sync::Arc;

use crate::control::discovery::PoolStatus;
use crate::state::discovery::Discovery;

/// The core to the threads.
#[derive(Debug)]
pub enum Command {
    /// The pools of the file in force.
    Declare(Vec<Discovery>),
    /// The files were read with the lists as they are, and are in force.
    Accepted,
    /// They were read, and have mistakes together; for people.
    Rejected(String),
}

/// The threads to the core.
#[derive(Debug)]
pub enum Report {
    /// The list of a pool changed and is on disk: the files have to be read again.
    Changed {
        /// The pool.
        pool: Arc<str>,
        /// What changed, for people.
        text: String,
    },
    /// An answer was rejected, or the next one was accepted again; for people.
    Refused {
        /// The pool.
        pool: Arc<str>,
        /// Why; `None`: answers are taken again.
        why: Option<String>,
    },
    /// What is shown of a pool.
    Status(PoolStatus),
}
