//! Why the machine did not answer.

use std::fmt;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `RTM_GETADDR`
    Addresses,
    /// `RTM_GETROUTE`, all of them.
    Routes,
    /// `RTM_GETROUTE`, the one to an address.
    Route,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Addresses => "its addresses",
            Self::Routes => "its routes",
            Self::Route => "the route to an address",
        })
    }
}

/// Why something about the machine is not known.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is no rtnetlink socket to be had, or it failed.
    #[error("cannot ask the kernel for {question}")]
    Socket {
        /// What was to be asked.
        question: Question,
        /// Why not.
        source: io::Error,
    },
    /// The kernel refused to say.
    #[error("the kernel does not tell {question}: {errno}")]
    Refused {
        /// What was asked.
        question: Question,
        /// Its reason.
        errno: Errno,
    },
    /// The answer is not what `linux/rtnetlink.h` says that it is.
    #[error("the kernel's answer about {0} is not understood")]
    Malformed(Question),
    /// The list changed whenever it was read (`NLM_F_DUMP_INTR`).
    #[error("{0} changed each time they were read")]
    Unsteady(Question),
    /// The list is longer than is worth reading.
    #[error("{question}: more than {limit}")]
    TooMany {
        /// What was asked.
        question: Question,
        /// How many are read at most.
        limit: usize,
    },
    /// A sysctl cannot be read.
    #[error("cannot read {path}")]
    Sysctl {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A sysctl holds something else than a number.
    #[error("{path} holds no number: {found:?}")]
    NotANumber {
        /// Its file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
}
