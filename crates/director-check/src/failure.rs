//! What a check comes to: passed, or a failure, which is the server's or this machine's own.

use std::fmt;
use std::io;

use nix::errno::Errno;

use super::Advice;

/// A check that went well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Passed {
    /// What is worth telling.
    pub(crate) text: Option<Box<str>>,
    /// What else it said.
    pub(crate) advice: Option<Advice>,
}

/// A check that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What was wrong.
    pub(crate) text: Box<str>,
    /// Whether it is this machine that could not ask.
    pub(crate) ours: bool,
    /// Whether this machine has no way to the server.
    pub(crate) cut_off: bool,
    /// What else the server said.
    pub(crate) advice: Option<Advice>,
}

impl Failure {
    /// The server's failure.
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string().into(),
            ours: false,
            cut_off: false,
            advice: None,
        }
    }

    /// This machine's own: the question could not be asked.
    pub(crate) fn ours(text: impl Into<OwnFault>) -> Self {
        Self {
            ours: true,
            ..Self::new(text.into().0)
        }
    }

    /// An error of a connection: the server's, or ours, as it comes.
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

/// What this machine could not do.
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

/// What is wrong, as the system says it: "connection refused".
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

/// Whether an error is of this machine's doing, so that it says nothing about the server: no
/// descriptors, no memory, no free port, a source address that is not here, a firewall of its own.
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

/// Whether an error says that this machine has no way to the server, such as when its own interface
/// is down and took the route with it. (`EHOSTUNREACH` says no more than that the server does not
/// answer ARP, as a dead one does not.)
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
