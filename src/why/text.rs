//! The reasons for people.

use std::fmt;

use super::{Because, Choice, Not};
use crate::words::length;

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { state, expires, .. } => write!(
                f,
                "this connection exists: {state}, {} until it expires without a packet",
                length(expires.as_secs())
            ),
            Self::Template {
                client, expires, ..
            } => write!(
                f,
                "a persistence template for {client}, which lasts {} more, or as long as a \
                 connection of its clients",
                length(expires.as_secs())
            ),
            Self::Scheduler(choice) => choice.fmt(f),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashed {
                instead_of: None, ..
            } => f.write_str("the hash of the client"),
            Self::Hashed {
                instead_of: Some(first),
                ..
            } => write!(
                f,
                "the hash of the client leads to {first}, which takes no clients, and by the \
                 fallback flag to the next one"
            ),
            Self::Refused { server } => write!(
                f,
                "the hash of the client leads to {server}, which takes no clients; without the \
                 fallback flag the client is refused"
            ),
            Self::NeedsPort => f.write_str(
                "the hash includes the client's port: ask about one connection, CLIENT:PORT",
            ),
            Self::Best { why, .. } => f.write_str(why),
            Self::Open { by, among } => write!(f, "{by}, among {} servers", among.len()),
            Self::NoServer => f.write_str("no server takes new clients: refused"),
        }
    }
}

impl fmt::Display for Not {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight => f.write_str("weight 0"),
            Self::Full { connections, upper } => write!(
                f,
                "full: {connections} connections, and its upper threshold is {upper}"
            ),
            Self::Other => f.write_str("takes clients, but not this one"),
        }
    }
}
