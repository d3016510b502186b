//! One error type: what was asked, of which object, what the kernel said, and what to do.

use std::fmt;
use std::io;

use crate::advice;
use crate::model::{ServerKey, ServiceKey};
use crate::operation::{Operation, Query, Request};

/// The result of everything that talks to the kernel.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not carried out, or why that is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused. Nothing of this request was carried out.
    #[error(transparent)]
    Refused(Box<Refusal>),

    /// The kernel has no IPVS, or had one and has it no more.
    #[error(
        "cannot {request}: the kernel has no IPVS{}; load it with `modprobe ip_vs` as root, and \
         where that module is missing install the full kernel package of the distribution \
         (slim, container and virtual-machine kernels leave it out)",
        if matches!(request, Request::Query(Query::Family)) { "" } else { " any more (its module was unloaded)" }
    )]
    NoIpvs {
        /// What was asked.
        request: Request,
    },

    /// The socket failed.
    #[error("cannot {request}: the netlink socket failed: {source}")]
    Socket {
        /// What was asked.
        request: Request,
        /// The socket's error.
        source: io::Error,
    },

    /// The kernel dropped its answer because the socket's receive buffer was full. Whether the
    /// operation was carried out is not known: read the object again.
    #[error(
        "{request}: the answer was lost (receive buffer full), so it is not known whether it was \
         done; read the tables again before acting"
    )]
    AnswerLost {
        /// What was asked.
        request: Request,
    },

    /// The kernel did not answer within the time limit. Whether an operation was carried out is
    /// not known.
    #[error("{request}: the kernel did not answer within {seconds} seconds")]
    NoAnswer {
        /// What was asked.
        request: Request,
        /// The limit.
        seconds: u64,
    },

    /// The answer is not what the uapi header describes.
    #[error("{request}: the kernel's answer cannot be understood: {source}")]
    BadAnswer {
        /// What was asked.
        request: Request,
        /// What is wrong with it.
        source: DecodeError,
    },

    /// The table changed during each of so many dumps, so that none is known to be true.
    #[error(
        "{request}: the table changed during each of {attempts} attempts to read it; somebody \
         writes to it without pause"
    )]
    Unsettled {
        /// What was asked.
        request: Request,
        /// How often it was tried.
        attempts: u32,
    },

    /// The calling thread is in another network namespace than the one that the client was
    /// connected in, and the request needs a second socket.
    #[error("{request}: this thread has left the network namespace that the client belongs to")]
    OtherNamespace {
        /// What was asked.
        request: Request,
    },

    /// `/proc/net/ip_vs_conn` cannot be read.
    #[error("cannot read the connection table {path}: {source}")]
    Connections {
        /// The file.
        path: &'static str,
        /// Why not.
        source: io::Error,
    },

    /// A line of the connection table is not as `ip_vs_conn_seq_show` writes it.
    #[error("line {line} of the connection table cannot be understood: {text:?}")]
    BadConnection {
        /// Counted from 1, the title line included.
        line: u64,
        /// The line, shortened if it is long.
        text: String,
    },
}

/// A request that the kernel answered with an errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked, object and all.
    pub request: Request,
    /// The kernel's answer.
    pub errno: Errno,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.request)?;
        advice::write(f, &self.request, self.errno)?;
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

    /// What was asked.
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

    /// The change that was asked for, if it was one.
    #[must_use]
    pub const fn operation(&self) -> Option<Operation> {
        match self.request() {
            Some(Request::Operation(operation)) => Some(operation),
            _ => None,
        }
    }

    /// The kernel's errno, if it answered with one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused(refusal) => Some(refusal.errno),
            Self::Socket { source, .. } => source.raw_os_error().map(Errno),
            _ => None,
        }
    }

    /// The service that it is about, if it is about one.
    #[must_use]
    pub fn service_key(&self) -> Option<ServiceKey> {
        match self.request()? {
            Request::Operation(operation) => operation.service_key(),
            Request::Query(Query::Service(key) | Query::Servers(key)) => Some(key),
            Request::Query(_) => None,
        }
    }

    /// The server that it is about, if it is about one.
    #[must_use]
    pub fn server_key(&self) -> Option<ServerKey> {
        self.operation()?.server_key()
    }

    /// Whether it is not known if the operation was carried out, so that the object must be read
    /// again.
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

    /// Whether the object turned out to be there already, or to be gone: somebody else changed
    /// the table, and the thing to do is to look again.
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
                    // Here ENOENT is the scheduler that is not there, not the service.
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

/// An errno as the kernel answers it, positive.
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
    /// The bytes end before the thing does.
    #[error("{what} is cut short: {length} bytes where {needed} are needed")]
    Short {
        /// Which part.
        what: &'static str,
        /// How many bytes there are.
        length: usize,
        /// How many it takes.
        needed: usize,
    },
    /// An attribute without which the object means nothing.
    #[error("{what} is missing")]
    Missing {
        /// Which attribute.
        what: &'static str,
    },
    /// A value outside what the attribute can say.
    #[error("{what} has the impossible value {value}")]
    Value {
        /// Which attribute.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// The frame around the attributes is broken.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// Which part.
        what: &'static str,
        /// How.
        detail: String,
    },
    /// An answer to a question that was never asked.
    #[error("it carries the sequence number {found}, which was never used on this socket")]
    Sequence {
        /// The number in the answer.
        found: u32,
    },
    /// A message of a kind that does not answer the question.
    #[error("{what} came instead of an answer")]
    Unexpected {
        /// What came.
        what: String,
    },
    /// The datagram is longer than the buffer.
    #[error("a datagram of {length} bytes does not fit the receive buffer")]
    Truncated {
        /// The datagram's length.
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
