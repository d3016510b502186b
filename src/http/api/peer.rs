//! Other directors, in `GET /v1/status`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Another director, as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The name in the file.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether it is connected.
    pub up: bool,
    /// Since when it is, or is not.
    pub since: u64,
    /// Why it is not connected, for people.
    pub reason: String,
    /// The version of its program; empty before the first connection.
    pub version: String,
    /// The failover sections whose addresses it holds, by its own names.
    pub holds: Vec<String>,
    /// What it serves otherwise than this director, for people.
    pub differs: Vec<String>,
    /// The last transfer of its connections; null before the first.
    pub resync: Option<Resync>,
    /// Why the one after that failed, or null.
    #[serde(default)]
    pub resync_failed: Option<String>,
    /// The connections that it relays; null before it offered to.
    #[serde(default)]
    pub relay: Option<Relay>,
}

/// The connections that a peer relays as it gets them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Whether they come.
    pub up: bool,
    /// Since when they do, or do not.
    pub since: u64,
    /// Why they do not, for people.
    pub reason: String,
    /// How many entries were put into the own table.
    pub entries: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many the peer dropped.
    pub dropped: u64,
}

/// A transfer of a peer's connections into the own table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// When it ended.
    pub at: u64,
    /// How many entries are in the own table.
    pub entries: u64,
    /// How many should be, and are not.
    pub missing: u64,
    /// Whether nothing is missing, as far as the peer's version can tell.
    #[serde(default)]
    pub caught_up: bool,
    /// Whether the peer's reading of its table is proved to be whole; null from an older version.
    #[serde(default)]
    pub whole: Option<bool>,
    /// What shows that nothing is missing, or where something is, for people.
    #[serde(default)]
    pub proof: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was refused or left out, for people.
    pub refused: Vec<String>,
}
