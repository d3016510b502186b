//! What goes wrong, in the words and with the exit codes of 1.31.

use std::fmt;
use std::io;

use ipvs::{Errno, Error, Operation, Query, Request};

/// Everything went well.
pub(crate) const SUCCESS: u8 = 0;
/// A list could not be made.
pub(crate) const LIST_FAILED: u8 = 1;
/// The command line is wrong, or IPVS is not to be had.
pub(crate) const USAGE: u8 = 2;
/// The kernel refused a change, or the first word was no command.
pub(crate) const REFUSED: u8 = 255;

/// Why a command line was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    /// What stderr gets, as a line.
    message: Vec<u8>,
    pub(crate) code: u8,
    /// Whether it also ends `-R`, where every line is a command line.
    pub(crate) ends_run: bool,
}

impl Stop {
    /// A command line that makes no sense.
    pub(crate) fn usage(message: impl Into<Vec<u8>>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
            ends_run: true,
        }
    }

    /// As [`Stop::usage`], with what was typed inside, to the byte.
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

    /// A word that popt does not understand. In `-R` the next line is carried out all the same.
    pub(crate) fn bad_word(word: &[u8], why: &str) -> Self {
        Self {
            message: [word, b": ", why.as_bytes()].concat(),
            code: REFUSED,
            ends_run: false,
        }
    }

    /// A change that the kernel refused. In `-R` the next line is carried out all the same.
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

    /// A list that cannot be made.
    pub(crate) fn list_failed(message: impl Into<Vec<u8>>) -> Self {
        Self {
            message: message.into(),
            code: LIST_FAILED,
            ends_run: true,
        }
    }

    /// IPVS cannot be used at all.
    pub(crate) fn initialise(reason: &str) -> Self {
        Self::usage(format!(
            "Can't initialize ipvs: {reason}\n\
             Are you sure that IP Virtual Server is built in the kernel or as module?"
        ))
    }

    /// stdin cannot be read to its end.
    pub(crate) fn read(error: &io::Error) -> Self {
        let why = plain(error);
        Self::list_failed(format!("ipvsadm: cannot read the standard input: {why}"))
    }

    /// stdout does not take what was listed. A closed pipe is not a failure: whoever reads has
    /// seen enough (`ipvsadm -L | head`).
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

    /// What stderr gets, without the end of the line; empty when there is nothing to say.
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

/// The words of `ipvs_strerror` for what the kernel said. What 1.31 cannot meet (a lost answer, a
/// module that goes away) is said in the library's words.
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
