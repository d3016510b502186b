//! The result of a check: passed, or a failure, of the server or of this machine.

use std::fmt;
use std::io;

use nix::errno::Errno;

use super::Advice;

/// A successful check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Passed {
    /// Information for people.
    pub(crate) text: Option<Box<str>>,
    /// The server's advice, if any.
    pub(crate) advice: Option<Advice>,
}

/// A failed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong.
    pub(crate) text: Box<str>,
    /// Whether this machine could not carry out the check.
    pub(crate) ours: bool,
    /// Whether this machine has no route to the server.
    pub(crate) cut_off: bool,
    /// The server's advice, if any.
    pub(crate) advice: Option<Advice>,
}

impl Failure {
    /// A failure of the server.
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string().into(),
            ours: false,
            cut_off: false,
            advice: None,
        }
    }

    /// A failure of this machine: the check could not be carried out.
    pub(crate) fn ours(text: impl Into<OwnFault>) -> Self {
        Self {
            ours: true,
            ..Self::new(text.into().0)
        }
    }

    /// An error of a connection, attributed to the server or to this machine.
    pub(crate) fn io(error: &io::Error) -> Self {
        if is_ours(error) {
            Self::ours(error)
        } else {
            Self {
                cut_off: is_cut_off(error),
                ..Self::new(describe(error))
            }
        }
    }
}

/// Something that this machine could not do.
#[derive(Debug)]
pub(crate) struct OwnFault(String);

impl From<&io::Error> for OwnFault {
    fn from(error: &io::Error) -> Self {
        Self(format!("not checked: {}", describe(error)))
    }
}

impl From<String> for OwnFault {
    fn from(text: String) -> Self {
        Self(format!("not checked: {text}"))
    }
}

/// The error in the system's words: "connection refused".
pub(crate) fn describe(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else {
        return error.to_string();
    };
    let text = Errno::from_raw(number).desc();
    let mut letters = text.chars();
    match letters.next() {
        // "No route to host", but not "I/O error".
        Some(first) if letters.as_str().starts_with(|c: char| c.is_lowercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Whether an error is this machine's fault, so that it says nothing about the server: no
/// descriptors, no memory, no free port, a source address that does not exist, a local firewall.
pub(crate) fn is_ours(error: &io::Error) -> bool {
    let Some(number) = error.raw_os_error() else {
        return false;
    };
    matches!(
        Errno::from_raw(number),
        Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOMEM
            | Errno::ENOBUFS
            | Errno::EADDRNOTAVAIL
            | Errno::EADDRINUSE
            | Errno::EPERM
            | Errno::EACCES
            | Errno::EAFNOSUPPORT
    )
}

/// Whether an error means that this machine has no route to the server, for example because its
/// interface is down and took the route with it. (`EHOSTUNREACH` only means that the server does
/// not answer ARP, as a dead one does not.)
pub(crate) fn is_cut_off(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::ENETUNREACH | Errno::ENETDOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences_go_on() {
        let text = |errno: Errno| describe(&io::Error::from_raw_os_error(errno as i32));
        assert_eq!(text(Errno::ECONNREFUSED), "connection refused");
        assert_eq!(text(Errno::EHOSTUNREACH), "no route to host");
        assert_eq!(text(Errno::EIO), "I/O error");
    }
}
