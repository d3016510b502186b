//! A peer's entries, before they reach the own kernel.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use ipvs::Connection;
use ipvs_sync::{Encoder, Entry};

use crate::outgoing::{Known, LeftOut};

/// The most entries of one table. Reading more than a million takes minutes of a kernel's time.
pub const MOST: u64 = 1_000_000;

/// Examines a peer's entries, and makes messages of those that are taken.
#[derive(Debug)]
pub struct Intake {
    known: Known,
    held: HashSet<IpAddr>,
    /// The templates that are here, by their key: the kernel never replaces one.
    templates: HashMap<u64, SocketAddr>,
    encoder: Encoder,
    messages: Vec<Vec<u8>>,
    /// Templates in the way, with a timeout of a second; and what is to follow them.
    conflicts: Encoder,
    expiring: Vec<Vec<u8>>,
    deferred: Vec<Entry>,
    wanted: HashSet<u64>,
    hasher: RandomState,
    received: u64,
    refused: BTreeMap<Refused, (u64, String)>,
}

/// Why an entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// It belongs to nothing that is here.
    LeftOut(LeftOut),
    /// This director holds its address: its own table is the truth.
    Held,
}

/// The peer's table is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table has more than {MOST} entries")]
pub struct TooMany;

impl Intake {
    /// Takes entries for these services, but none for the addresses that this director holds, into
    /// messages with this sync id. `templates` are those of the own table.
    pub fn new(
        known: Known,
        held: HashSet<IpAddr>,
        id: u8,
        templates: impl Iterator<Item = Connection>,
    ) -> Self {
        let hasher = RandomState::new();
        let templates = templates.map(|found| {
            let key = key(
                &hasher,
                protocol(&found),
                found.client,
                found.virtual_service,
            );
            (key, found.server)
        });
        Self {
            known,
            held,
            templates: templates.collect(),
            encoder: Encoder::new(id, Encoder::ETHERNET),
            messages: Vec::new(),
            conflicts: Encoder::new(id, Encoder::ETHERNET),
            expiring: Vec::new(),
            deferred: Vec::new(),
            wanted: HashSet::new(),
            hasher,
            received: 0,
            refused: BTreeMap::new(),
        }
    }

    /// Takes an entry, or notes why not.
    ///
    /// # Errors
    /// If there are too many of them.
    pub fn take(&mut self, entry: Entry) -> Result<(), TooMany> {
        self.received += 1;
        if self.received > MOST {
            return Err(TooMany);
        }
        let is_held = self.held.contains(&entry.virtual_service.ip());
        let refused = match self.known.admits(&entry) {
            _ if is_held => Some(Refused::Held),
            Err(why) => Some(Refused::LeftOut(why)),
            Ok(_) => None,
        };
        if let Some(why) = refused {
            self.refuse(why, &entry);
            return Ok(());
        }
        let found = key(
            &self.hasher,
            entry.protocol,
            entry.client,
            entry.virtual_service,
        );
        self.wanted.insert(found);
        let there = self.templates.get(&found).filter(|_| entry.is_template());
        if there.is_some_and(|there| there.ip() != entry.server.ip()) {
            let soon = Entry {
                timeout: 1,
                ..entry.clone()
            };
            push(&mut self.conflicts, &soon, &mut self.expiring);
            self.deferred.push(entry);
        } else {
            push(&mut self.encoder, &entry, &mut self.messages);
        }
        Ok(())
    }

    fn refuse(&mut self, why: Refused, entry: &Entry) {
        let (count, _) = self.refused.entry(why).or_insert_with(|| {
            let first = format!("{} to {}", entry.virtual_service, entry.server);
            (0, first)
        });
        *count += 1;
    }

    /// No more entries come.
    #[must_use]
    pub fn finish(mut self) -> Taken {
        self.messages.extend(self.encoder.finish());
        self.expiring.extend(self.conflicts.finish());
        let mut deferred = Vec::new();
        for entry in &self.deferred {
            push(&mut self.encoder, entry, &mut deferred);
        }
        deferred.extend(self.encoder.finish());
        Taken {
            messages: self.messages,
            expiring: self.expiring,
            deferred,
            wanted: self.wanted,
            hasher: self.hasher,
            encoder: self.encoder,
            received: self.received,
            refused: self.refused,
        }
    }
}

/// A table that was taken in, as messages.
#[derive(Debug)]
pub struct Taken {
    /// To be sent first.
    pub messages: Vec<Vec<u8>>,
    /// Templates with another server than the peer's, which expire with this.
    pub expiring: Vec<Vec<u8>>,
    /// What takes their place two seconds later.
    pub deferred: Vec<Vec<u8>>,
    wanted: HashSet<u64>,
    hasher: RandomState,
    encoder: Encoder,
    received: u64,
    refused: BTreeMap<Refused, (u64, String)>,
}

impl Taken {
    /// How many entries should be in the table now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether nothing was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The number of entries that came.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// What was refused: why, how many, and the first.
    pub fn refused(&self) -> impl Iterator<Item = (Refused, u64, &str)> {
        let all = self.refused.iter();
        all.map(|(why, (count, first))| (*why, *count, first.as_str()))
    }

    /// Reads the own table; what is missing there remains. Returns how many.
    pub fn compare(&self, table: impl Iterator<Item = Connection>) -> Missing {
        let mut missing = self.wanted.clone();
        for found in table {
            let key = key(
                &self.hasher,
                protocol(&found),
                found.client,
                found.virtual_service,
            );
            missing.remove(&key);
        }
        Missing(missing)
    }

    /// The messages with what is missing.
    pub fn again(&mut self, missing: &Missing) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let all = self.messages.iter().chain(&self.deferred);
        for message in all {
            // They are ours.
            let entries = ipvs_sync::decode(message).map(|message| message.entries);
            for entry in entries.unwrap_or_default() {
                let key = key(
                    &self.hasher,
                    entry.protocol,
                    entry.client,
                    entry.virtual_service,
                );
                if missing.0.contains(&key) {
                    push(&mut self.encoder, &entry, &mut messages);
                }
            }
        }
        messages.extend(self.encoder.finish());
        messages
    }
}

/// What is not in the own table.
#[derive(Debug)]
pub struct Missing(HashSet<u64>);

impl Missing {
    /// How many entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the table is whole.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What identifies an entry.
fn key(hasher: &RandomState, protocol: u8, client: SocketAddr, at: SocketAddr) -> u64 {
    hasher.hash_one((protocol, client, at))
}

fn protocol(connection: &Connection) -> u8 {
    match connection.protocol.as_str() {
        Some("TCP") => 6,
        Some("UDP") => 17,
        Some("SCTP") => 132,
        _ => 0,
    }
}

/// What was decoded can be encoded.
fn push(encoder: &mut Encoder, entry: &Entry, into: &mut Vec<Vec<u8>>) {
    if let Ok(Some(full)) = encoder.push(entry) {
        into.push(full);
    }
}
