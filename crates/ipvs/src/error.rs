//! One error type: the request, its object, the kernel's answer, and what to do.

use std::fmt;
use std::io;

use crate::explain;
use crate::model::{ServerKey, ServiceKey};
use crate::operation::{Operation, Query, Request};

/// The result of everything that talks to the kernel.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not carried out, or why its result is unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused the request and changed nothing.
    #[error(transparent)]
    Refused(Box<Refusal>),

    /// The kernel has no IPVS, or its module was unloaded.
    #[error(
        "cannot {request}: the kernel has no IPVS{}; load it with `modprobe ip_vs` as root, and \
         where that module is missing install the full kernel package of the distribution \
         (slim, container and virtual-machine kernels leave it out)",
        if matches!(request, Request::Query(Query::Family)) { "" } else { " any more (its module was unloaded)" }
    )]
    NoIpvs {
        /// The request that failed.
        request: Request,
    },

    /// The socket failed.
    #[error("cannot {request}: the netlink socket failed: {source}")]
    Socket {
        /// The request that failed.
        request: Request,
        /// The socket's error.
        source: io::Error,
    },

    /// The kernel dropped its answer because the socket's receive buffer was full. Whether it
    /// carried out the operation is unknown: read the object again.
    #[error(
        "{request}: the answer was lost (receive buffer full), so it is unknown whether it was \
         carried out; read the tables again before acting"
    )]
    AnswerLost {
        /// The request without an answer.
        request: Request,
    },

    /// The kernel did not answer in time. Whether it carried out the operation is unknown.
    #[error("{request}: the kernel did not answer within {seconds} seconds")]
    NoAnswer {
        /// The request without an answer.
        request: Request,
        /// The time limit, in seconds.
        seconds: u64,
    },

    /// The answer does not match the uapi header.
    #[error("{request}: cannot parse the kernel's answer: {source}")]
    BadAnswer {
        /// The request that was answered.
        request: Request,
        /// What is wrong with the answer.
        source: DecodeError,
    },

    /// The table changed during each of `attempts` dumps, so none of them is known to be
    /// consistent.
    #[error(
        "{request}: the table changed during each of {attempts} attempts to read it; another \
         program is writing to it continuously"
    )]
    Unsettled {
        /// The request for the list.
        request: Request,
        /// The number of attempts.
        attempts: u32,
    },

    /// The calling thread has left the network namespace in which the client connected, and the
    /// request needs a second socket.
    #[error("{request}: this thread has left the client's network namespace")]
    OtherNamespace {
        /// The request that failed.
        request: Request,
    },

    /// `/proc/net/ip_vs_conn` cannot be read.
    #[error("cannot read the connection table `{path}`: {source}")]
    Connections {
        /// The file's path.
        path: &'static str,
        /// The error of opening or reading it.
        source: io::Error,
    },

    /// A line of the connection table is not in the format of `ip_vs_conn_seq_show`.
    #[error("cannot parse line {line} of the connection table: {text:?}")]
    BadConnection {
        /// The line's number, from 1, counting the title line.
        line: u64,
        /// The line, shortened if long.
        text: String,
    },
}

/// A request that the kernel answered with an errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The request, including its object.
    pub request: Request,
    /// The errno of the kernel's answer.
    pub errno: Errno,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.request)?;
        explain::write(f, &self.request, self.errno)?;
        write!(f, " ({})", self.errno)
    }
}

impl std::error::Error for Refusal {}

impl Error {
    pub(crate) fn refused(request: impl Into<Request>, errno: Errno) -> Self {
        Self::Refused(Box::new(Refusal {
            request: request.into(),
            errno,
        }))
    }

    pub(crate) fn socket(request: Request, source: io::Error) -> Self {
        Self::Socket { request, source }
    }

    /// The request that failed, if the error concerns one.
    #[must_use]
    pub const fn request(&self) -> Option<Request> {
        match self {
            Self::Refused(refusal) => Some(refusal.request),
            Self::NoIpvs { request }
            | Self::Socket { request, .. }
            | Self::AnswerLost { request }
            | Self::NoAnswer { request, .. }
            | Self::BadAnswer { request, .. }
            | Self::Unsettled { request, .. }
            | Self::OtherNamespace { request } => Some(*request),
            Self::Connections { .. } | Self::BadConnection { .. } => None,
        }
    }

    /// The operation that failed, if the request was one.
    #[must_use]
    pub const fn operation(&self) -> Option<Operation> {
        match self.request() {
            Some(Request::Operation(operation)) => Some(operation),
            _ => None,
        }
    }

    /// The kernel's errno, if it sent one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused(refusal) => Some(refusal.errno),
            Self::Socket { source, .. } => source.raw_os_error().map(Errno),
            _ => None,
        }
    }

    /// The service of the request, if it has one.
    #[must_use]
    pub fn service_key(&self) -> Option<ServiceKey> {
        match self.request()? {
            Request::Operation(operation) => operation.service_key(),
            Request::Query(Query::Service(key) | Query::Servers(key)) => Some(key),
            Request::Query(_) => None,
        }
    }

    /// The server of the request, if it has one.
    #[must_use]
    pub fn server_key(&self) -> Option<ServerKey> {
        self.operation()?.server_key()
    }

    /// Whether the operation's result is unknown, so that the object must be read again.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(
            self,
            Self::AnswerLost { .. }
                | Self::NoAnswer { .. }
                | Self::BadAnswer { .. }
                | Self::Socket { .. }
        )
    }

    /// Whether the object exists already or is gone: another program changed the table, so read it
    /// again.
    #[must_use]
    pub fn is_stale_view(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                let operation = match refusal.request {
                    Request::Operation(operation) => operation,
                    Request::Query(_) => return refusal.errno == Errno::ESRCH,
                };
                match operation {
                    Operation::AddService(_) | Operation::StartDaemon(_) => {
                        refusal.errno == Errno::EEXIST
                    }
                    // Here ENOENT means that the scheduler is missing, not the service.
                    Operation::UpdateService(_) => refusal.errno == Errno::ESRCH,
                    _ => {
                        matches!(refusal.errno, Errno::EEXIST | Errno::ENOENT | Errno::ESRCH)
                    }
                }
            }
            _ => false,
        }
    }
}

/// An errno as the kernel reports it, positive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

#[allow(missing_docs, reason = "errno(3) documents them")]
impl Errno {
    pub const EPERM: Self = Self(1);
    pub const ENOENT: Self = Self(2);
    pub const ESRCH: Self = Self(3);
    pub const EINTR: Self = Self(4);
    pub const EAGAIN: Self = Self(11);
    pub const ENOMEM: Self = Self(12);
    pub const EBUSY: Self = Self(16);
    pub const EEXIST: Self = Self(17);
    pub const ENODEV: Self = Self(19);
    pub const EINVAL: Self = Self(22);
    pub const ERANGE: Self = Self(34);
    pub const EMSGSIZE: Self = Self(90);
    pub const ENOPROTOOPT: Self = Self(92);
    pub const EPROTONOSUPPORT: Self = Self(93);
    pub const EOPNOTSUPP: Self = Self(95);
    pub const EAFNOSUPPORT: Self = Self(97);
    pub const ENOBUFS: Self = Self(105);
}

impl Errno {
    /// The text of `strerror(3)`, such as "No such file or directory".
    #[must_use]
    pub fn description(self) -> String {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        let suffix = format!(" (os error {})", self.0);
        text.strip_suffix(&suffix)
            .map_or(text.clone(), str::to_owned)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::errno::Errno::from_raw(self.0) {
            nix::errno::Errno::UnknownErrno => write!(f, "errno {}", self.0),
            known => write!(f, "{known:?}"),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is wrong with bytes that should be a message from the kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("{what} is truncated: {length} bytes instead of {needed}")]
    Short {
        /// The truncated part.
        what: &'static str,
        /// The number of bytes present.
        length: usize,
        /// The number of bytes needed.
        needed: usize,
    },
    /// A mandatory attribute is missing.
    #[error("{what} is missing")]
    Missing {
        /// The missing attribute.
        what: &'static str,
    },
    /// An attribute has an impossible value.
    #[error("{what} has the impossible value {value}")]
    Value {
        /// The attribute with this value.
        what: &'static str,
        /// The value found.
        value: u64,
    },
    /// The framing of the attributes is broken.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// The malformed part.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// An answer to a request that was never made.
    #[error("it has the sequence number {found}, which was never used on this socket")]
    Sequence {
        /// The answer's sequence number.
        found: u32,
    },
    /// A message of a type that does not answer the request.
    #[error("received {what} instead of an answer")]
    Unexpected {
        /// The kind of message received.
        what: String,
    },
    /// The datagram is longer than the buffer.
    #[error("a datagram of {length} bytes does not fit the receive buffer")]
    Truncated {
        /// The datagram's length, in bytes.
        length: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, Service};

    #[test]
    fn an_errno_has_its_name_and_its_text() {
        assert_eq!(Errno::ENOENT.to_string(), "ENOENT");
        assert_eq!(Errno(4095).to_string(), "errno 4095");
        assert_eq!(Errno::ERANGE.description(), "Numerical result out of range");
    }

    #[test]
    fn a_missing_scheduler_is_no_stale_view() {
        let key = ServiceKey::tcp([192, 0, 2, 1], 80);
        let service = Service::new(key, Name::from_static("nope"));
        let error = Error::refused(Operation::UpdateService(service), Errno::ENOENT);
        assert!(!error.is_stale_view());
        let error = Error::refused(Operation::UpdateService(service), Errno::ESRCH);
        assert!(error.is_stale_view());
        assert_eq!(error.service_key(), Some(key));
    }
}
