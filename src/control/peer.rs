//! The state of peers, for status and the API.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::state::BootTime;

/// Another director, as seen over the connection that this one opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether it is connected.
    pub up: bool,
    /// Since when it is, or is not.
    pub since: BootTime,
    /// Why it is not connected, for people.
    pub reason: String,
    /// The version of its program; empty before the first connection.
    pub version: String,
    /// The failover sections whose addresses it holds, by its own names.
    pub holds: Vec<String>,
    /// The addresses that it holds.
    pub held: BTreeSet<IpAddr>,
    /// The addresses that it hands over now.
    pub leaving: BTreeSet<IpAddr>,
    /// What the health of its services takes off its priority, for each address of its sections.
    pub lowered: BTreeMap<IpAddr, u32>,
    /// What it serves otherwise than this director, for people.
    pub differs: Vec<String>,
    /// The last transfer of its connections.
    pub resync: Option<Resync>,
    /// Why the one after that failed, for people.
    pub failed: Option<String>,
    /// The connections that it relays; none before it offered to.
    pub relay: Option<Relay>,
}

/// The connections that a peer relays as it gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Whether they come.
    pub up: bool,
    /// Since when they do, or do not.
    pub since: BootTime,
    /// Why they do not, for people.
    pub reason: String,
    /// How many entries were put into the own table, by all connections to this peer.
    pub entries: u64,
    /// How many were refused: of addresses that this director holds, or of nothing that it serves.
    pub refused: u64,
    /// How many the peer dropped, over the present connection, because one of the two was too slow.
    pub dropped: u64,
}

/// A transfer of a peer's connections into the own table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// When it ended.
    pub at: BootTime,
    /// How many entries are in the own table.
    pub entries: u64,
    /// How many should be, and are not.
    pub missing: u64,
    /// Where entries are missing, for people: here, or in what the peer read.
    pub short: Vec<String>,
    /// Whether everything is in it that the peer's table had during its reading; none from a version
    /// that does not say so.
    pub whole: Option<bool>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What was refused or left out, for people.
    pub refused: Vec<String>,
}

impl PeerStatus {
    /// A peer that was never connected.
    #[must_use]
    pub fn new(name: &Arc<str>, address: IpAddr, port: u16, now: BootTime) -> Self {
        Self {
            name: Arc::clone(name),
            address,
            port,
            up: false,
            since: now,
            reason: String::new(),
            version: String::new(),
            holds: Vec::new(),
            held: BTreeSet::new(),
            leaving: BTreeSet::new(),
            lowered: BTreeMap::new(),
            differs: Vec::new(),
            resync: None,
            failed: None,
            relay: None,
        }
    }
}

impl Resync {
    /// Whether the own table has what the peer's had.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.missing == 0 && self.short.is_empty()
    }

    /// How it is known that it has, or what is missing.
    #[must_use]
    pub fn proof(&self) -> String {
        if !self.is_caught_up() {
            return self.short.join("; ");
        }
        match self.whole {
            Some(true) => "counters and digest equal".to_owned(),
            Some(false) => "counters and digest equal, but its table changes too fast for a whole \
                            reading"
                .to_owned(),
            None => "its version does not prove that they are all".to_owned(),
        }
    }
}
