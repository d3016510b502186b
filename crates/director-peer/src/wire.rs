//! The messages of a connection between two directors.
//!
//! ```text
//! frame    length of what follows (32, big-endian) | kind (8) | body
//! ```
//!
//! A body is JSON, except for entries of the connection table, which have the kernel's own form
//! (`ipvs-sync`). Both sides begin with a [`Hello`]; then the one that connected asks, one
//! [`Request`] at a time.
//!
//! JSON may have keys that a version does not know yet. What a version cannot do without raises
//! [`PROTOCOL`].

use std::collections::BTreeMap;

use ipvs_sync::{Entry, Message};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::counts::Short;
use crate::served::Digests;

/// The version of the messages. Directors of different versions do not talk to each other.
pub const PROTOCOL: u32 = 1;

/// The longest frame, without its length: a page of digests.
pub const LONGEST: usize = 1 << 18;

/// The longest message of entries in a frame.
pub const ENTRIES: usize = 16_384;

/// The most services in one page of digests.
pub const PAGE: usize = 500;

/// The most servers that a [`Proof`] names.
pub const NAMED: usize = 8;

/// The first message in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The version of the program.
    pub version: String,
    /// The name that the director has in its own file; empty if the file does not name it.
    pub name: String,
    /// Random, for each process: a director that reaches itself notices.
    pub instance: u64,
}

/// What the side that connected wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Answered by [`State`].
    State,
    /// Answered by a page of digests.
    Services {
        /// The last service of the page before.
        after: Option<String>,
    },
    /// Answered by entries, then [`TableEnd`].
    Table,
    /// Answered by entries as they come, and a [`Relayed`] each second, until the connection ends. Only for
    /// a director whose [`State`] offers it.
    Relay,
}

/// The state of a director.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The digest of everything that it serves.
    pub served: u64,
    /// Its failover sections.
    pub sections: Vec<Section>,
    /// Whether it relays its new connections. Not from a version that does not know of it.
    #[serde(default)]
    pub relays: bool,
}

/// What a relay has done over one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Relayed {
    /// The number of entries that were sent.
    pub sent: u64,
    /// The number that was not, as reading or sending was too slow.
    pub dropped: u64,
}

/// A failover section of a director.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its name in the file.
    pub name: String,
    /// Whether it holds the addresses.
    pub holds: bool,
    /// Its priority now.
    pub priority: u8,
    /// What the health of its services takes off its priority, before it is compared with other
    /// directors; `u32::MAX` if it cannot take over. None from a version that does not say so.
    #[serde(default)]
    pub lowered: Option<u32>,
    /// Whether it hands them over now, or as soon as its peers have its connections.
    #[serde(default)]
    pub leaving: bool,
    /// Its virtual addresses.
    pub addresses: Vec<std::net::IpAddr>,
}

/// A page of digests, in the order of the services' names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    /// At most [`PAGE`].
    pub services: BTreeMap<String, Digests>,
    /// Whether more follow.
    pub more: bool,
}

/// The end of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEnd {
    /// The number of entries that were sent.
    pub entries: u64,
    /// What was left out, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// Why the table is not whole, if so.
    pub failed: Option<String>,
    /// None from a version that does not prove anything.
    #[serde(default)]
    pub proof: Option<Proof>,
}

/// What the sender of a table knows of its being whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The digest of what was sent: [`crate::digest::EntriesDigest`].
    pub digest: u64,
    /// Whether each entry that was in the table during the whole reading was read.
    pub whole: bool,
    /// The servers for which the kernel counts more than was read, at most [`NAMED`].
    pub short: Vec<Short>,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// See [`Hello`].
    Hello(Hello),
    /// See [`Request`].
    Request(Request),
    /// See [`State`].
    State(State),
    /// See [`Services`].
    Services(Services),
    /// Entries of the connection table.
    Entries(Vec<Entry>),
    /// See [`TableEnd`].
    TableEnd(TableEnd),
    /// Why the connection ends.
    Refused(String),
    /// See [`Relayed`].
    Relayed(Relayed),
}

/// What is wrong with a frame.
#[derive(Debug, Error)]
pub enum WireError {
    /// Too long, or empty.
    #[error("a message of {found} bytes; at most {LONGEST} are allowed")]
    Length {
        /// Its length.
        found: usize,
    },
    /// An unknown kind.
    #[error("a message of unknown kind {kind}")]
    Kind {
        /// Its kind.
        kind: u8,
    },
    /// Not the JSON of this kind.
    #[error("a message of kind {kind} that cannot be read: {why}")]
    Json {
        /// Its kind.
        kind: u8,
        /// Why.
        why: serde_json::Error,
    },
    /// Wrong entries.
    #[error("entries that cannot be read: {0}")]
    Entries(#[from] ipvs_sync::DecodeError),
    /// Too many servers in a proof.
    #[error("a proof that names {found} servers; at most {NAMED} are allowed")]
    Proof {
        /// How many.
        found: usize,
    },
    /// Too many services in a page.
    #[error("a page of {found} services; at most {PAGE} are allowed")]
    Page {
        /// How many.
        found: usize,
    },
}

impl Frame {
    /// The frame, with its length. `None` if it is longer than [`LONGEST`], or has entries that
    /// cannot be encoded.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let (kind, body) = match self {
            Self::Hello(hello) => (1, serde_json::to_vec(hello).ok()?),
            Self::Request(request) => (2, serde_json::to_vec(request).ok()?),
            Self::State(state) => (3, serde_json::to_vec(state).ok()?),
            Self::Services(services) => (4, serde_json::to_vec(services).ok()?),
            Self::Entries(entries) => (5, encode_entries(entries)?),
            Self::TableEnd(end) => (6, serde_json::to_vec(end).ok()?),
            Self::Refused(why) => (7, serde_json::to_vec(why).ok()?),
            Self::Relayed(relayed) => (8, serde_json::to_vec(relayed).ok()?),
        };
        frame(kind, &body)
    }

    /// A frame of one message of entries, as an `ipvs_sync::Encoder` makes it.
    #[must_use]
    pub fn of_entries(message: &[u8]) -> Option<Vec<u8>> {
        frame(5, message)
    }

    /// Decodes what follows the length.
    ///
    /// # Errors
    /// If it is no message of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        fn json<T: for<'de> Deserialize<'de>>(kind: u8, body: &[u8]) -> Result<T, WireError> {
            serde_json::from_slice(body).map_err(|why| WireError::Json { kind, why })
        }
        let (Some((&kind, body)), true) = (bytes.split_first(), bytes.len() <= LONGEST) else {
            return Err(WireError::Length { found: bytes.len() });
        };
        Ok(match kind {
            1 => Self::Hello(json(kind, body)?),
            2 => Self::Request(json(kind, body)?),
            3 => Self::State(json(kind, body)?),
            4 => {
                let page: Services = json(kind, body)?;
                let found = page.services.len();
                if found > PAGE {
                    return Err(WireError::Page { found });
                }
                Self::Services(page)
            }
            5 => {
                let Message { entries, .. } = ipvs_sync::decode(body)?;
                Self::Entries(entries)
            }
            6 => {
                let end: TableEnd = json(kind, body)?;
                let found = end.proof.as_ref().map_or(0, |proof| proof.short.len());
                if found > NAMED {
                    return Err(WireError::Proof { found });
                }
                Self::TableEnd(end)
            }
            7 => Self::Refused(json(kind, body)?),
            8 => Self::Relayed(json(kind, body)?),
            kind => return Err(WireError::Kind { kind }),
        })
    }
}

fn encode_entries(entries: &[Entry]) -> Option<Vec<u8>> {
    let mut encoder = ipvs_sync::Encoder::new(0, ipvs_sync::Encoder::LONGEST);
    for entry in entries {
        if encoder.push(entry).ok()?.is_some() {
            return None;
        }
    }
    encoder.finish()
}

fn frame(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let length = body.len() + 1;
    let said = u32::try_from(length).ok().filter(|_| length <= LONGEST)?;
    let mut bytes = Vec::with_capacity(length + 4);
    bytes.extend(said.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(body);
    Some(bytes)
}
