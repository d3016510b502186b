//! Errors of reading the machine's settings.

use std::fmt;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

/// The query that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `RTM_GETADDR`.
    Addresses,
    /// `RTM_GETROUTE` for all routes.
    Routes,
    /// `RTM_GETROUTE` for one address.
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

/// Why a fact about the machine is unknown.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// An rtnetlink socket could not be opened, or failed.
    #[error("cannot read {question}")]
    Socket {
        /// The query that failed.
        question: Question,
        /// The socket's error.
        source: io::Error,
    },
    /// The kernel refused the query.
    #[error("cannot read {question}: {errno}")]
    Refused {
        /// The query that failed.
        question: Question,
        /// The kernel's errno.
        errno: Errno,
    },
    /// The answer does not match `linux/rtnetlink.h`.
    #[error("cannot parse the kernel's answer about {0}")]
    Malformed(Question),
    /// The list changed during every reading (`NLM_F_DUMP_INTR`).
    #[error("{0} changed during every reading")]
    Unsteady(Question),
    /// The list exceeds the limit.
    #[error("{question}: more than {limit}")]
    TooMany {
        /// The query that failed.
        question: Question,
        /// The most entries read.
        limit: usize,
    },
    /// A sysctl cannot be read.
    #[error("cannot read {path}")]
    Sysctl {
        /// The path of its file.
        path: PathBuf,
        /// The error of reading it.
        source: io::Error,
    },
    /// A sysctl does not contain a number.
    #[error("`{path}` does not contain a number: {found:?}")]
    NotANumber {
        /// The path of its file.
        path: PathBuf,
        /// The contents found.
        found: String,
    },
}
