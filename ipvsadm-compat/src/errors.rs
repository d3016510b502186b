//! Errors, with 1.31's texts and exit codes.

use std::fmt;
use std::io;

use ipvs::{Errno, Error, Operation, Query, Request};

pub(crate) const SUCCESS: u8 = 0;
/// Exit code: a listing failed.
pub(crate) const LIST_FAILED: u8 = 1;
/// Exit code: the command line is invalid, or IPVS is unavailable.
pub(crate) const USAGE: u8 = 2;
/// Exit code: the kernel refused a change, or the first word is no command.
pub(crate) const REFUSED: u8 = 255;

/// The reason why a command line was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The line for stderr.
    message: Vec<u8>,
    pub(crate) code: u8,
    /// Whether the error also ends `-R`, in which every line is a command line.
    pub(crate) ends_run: bool,
}

impl Stop {
    /// An invalid command line.
    pub(crate) fn usage(message: impl Into<Vec<u8>>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
            ends_run: true,
        }
    }

    /// Like [`Stop::usage`], with the argument quoted unchanged.
    pub(crate) fn quoting(before: &str, typed: &[u8], behind: &str) -> Self {
        Self::usage([before.as_bytes(), typed, behind.as_bytes()].concat())
    }

    /// The first word is no command.
    pub(crate) fn no_command(program: &[u8]) -> Self {
        let message = [
            b"Try `",
            program,
            b" -h' or '",
            program,
            b" --help' for more information.",
        ];
        Self {
            message: message.concat(),
            code: REFUSED,
            ends_run: true,
        }
    }

    /// A word that popt rejects. `-R` continues with the next line.
    pub(crate) fn bad_word(word: &[u8], why: &str) -> Self {
        Self {
            message: [word, b": ", why.as_bytes()].concat(),
            code: REFUSED,
            ends_run: false,
        }
    }

    /// A change that the kernel refused. `-R` continues with the next line.
    pub(crate) fn refused(error: &Error) -> Self {
        Self {
            message: text(error).into_bytes(),
            code: REFUSED,
            ends_run: false,
        }
    }

    /// A list that the kernel refused.
    pub(crate) fn list(error: &Error) -> Self {
        Self::list_failed(text(error))
    }

    /// A listing that failed for another reason.
    pub(crate) fn list_failed(message: impl Into<Vec<u8>>) -> Self {
        Self {
            message: message.into(),
            code: LIST_FAILED,
            ends_run: true,
        }
    }

    /// IPVS is unavailable.
    pub(crate) fn initialise(reason: &str) -> Self {
        Self::usage(format!(
            "Can't initialize ipvs: {reason}\n\
             Are you sure that IP Virtual Server is built in the kernel or as module?"
        ))
    }

    /// Reading stdin failed.
    pub(crate) fn read(error: &io::Error) -> Self {
        let why = plain(error);
        Self::list_failed(format!("ipvsadm: cannot read the standard input: {why}"))
    }

    /// Writing to stdout failed. A closed pipe is not a failure: its reader has seen enough
    /// (`ipvsadm -L | head`).
    pub(crate) fn write(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                message: Vec::new(),
                code: SUCCESS,
                ends_run: true,
            };
        }
        let why = plain(error);
        Self::list_failed(format!("ipvsadm: cannot write: {why}"))
    }

    /// The text for stderr without a newline; empty if there is none.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message))
    }
}

/// An I/O error without the number that `io::Error` appends.
fn plain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno(number).description(),
        None => error.to_string(),
    }
}

/// The texts of `ipvs_strerror` for the kernel's error. Errors that 1.31 does not know (a lost
/// answer, an unloaded module) use the library's text.
pub(crate) fn text(error: &Error) -> String {
    match error {
        Error::Refused(refusal) => message(&refusal.request, refusal.errno),
        Error::Socket { request, source } => match source.raw_os_error() {
            Some(number) => message(request, Errno(number)),
            None => plain(source),
        },
        error => error.to_string(),
    }
}

fn message(request: &Request, errno: Errno) -> String {
    let known = match request {
        Request::Operation(operation) => operation_message(operation, errno),
        Request::Query(Query::Service(_) | Query::Servers(_)) if errno == Errno::ESRCH => {
            Some("No such service")
        }
        Request::Query(_) => None,
    };
    let known = known.or(match errno {
        Errno::EPERM => Some("Permission denied (you must be root)"),
        Errno::EINVAL => {
            Some("Invalid operation.  Possibly wrong module version, address not unicast, ...")
        }
        Errno::ENOPROTOOPT => Some("Protocol not available"),
        Errno::ENOMEM => Some("Memory allocation problem"),
        Errno::EOPNOTSUPP => Some("Operation not supported with IPv6"),
        Errno::EAFNOSUPPORT => Some("Operation not supported with specified address family"),
        _ => None,
    });
    known.map_or_else(|| errno.description(), str::to_owned)
}

fn operation_message(operation: &Operation, errno: Errno) -> Option<&'static str> {
    use Operation::{
        AddServer, AddService, DeleteServer, DeleteService, StartDaemon, StopDaemon, UpdateServer,
        UpdateService, ZeroAll, ZeroService,
    };
    Some(match (operation, errno) {
        (AddService(_), Errno::EEXIST) => "Service already exists",
        (AddService(_) | UpdateService(_), Errno::ENOENT) => {
            "Scheduler or persistence engine not found"
        }
        (UpdateService(_) | DeleteService(_) | ZeroService(_) | ZeroAll, Errno::ESRCH) => {
            "No such service"
        }
        (AddServer(..) | UpdateServer(..) | DeleteServer(..), Errno::ESRCH) => {
            "Service not defined"
        }
        (AddServer(..), Errno::EEXIST) => "Destination already exists",
        (UpdateServer(..) | DeleteServer(..), Errno::ENOENT) => "No such destination",
        (StartDaemon(_), Errno::EEXIST) => "Daemon has already run",
        (StopDaemon(_), Errno::ESRCH) => "No daemon is running",
        _ => return None,
    })
}
