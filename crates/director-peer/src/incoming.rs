//! A peer's entries, before they reach the own kernel.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use ipvs::Connection;
use ipvs_sync::{Encoder, Entry, Flags};

use crate::counts::Counts;
use crate::digest::EntriesDigest;
use crate::outgoing::{Known, LeftOut, is_template};

/// The most entries of one table. Reading more than a million takes minutes of a kernel's time.
pub const MOST: u64 = 1_000_000;

/// Entries that expire within this number of seconds are accepted, and may be missing afterwards.
const ENDING: u32 = 5;

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
    /// What is here already, by its key, and stays as it is.
    present: HashSet<u64>,
    wanted: HashSet<u64>,
    counts: Counts,
    hasher: RandomState,
    received: u64,
    digest: EntriesDigest,
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
        let templates = templates.map(|found| (hasher.hash_one(place_of(&found)), found.server));
        Self {
            known,
            held,
            templates: templates.collect(),
            encoder: Encoder::new(id, Encoder::ETHERNET),
            messages: Vec::new(),
            conflicts: Encoder::new(id, Encoder::ETHERNET),
            expiring: Vec::new(),
            deferred: Vec::new(),
            present: HashSet::new(),
            wanted: HashSet::new(),
            counts: Counts::default(),
            hasher,
            received: 0,
            digest: EntriesDigest::default(),
            refused: BTreeMap::new(),
        }
    }

    /// Takes only what is not in this table, the own one: after a takeover that is the truth, and lacks
    /// what began on the other director just before.
    #[must_use]
    pub fn beside(mut self, own: impl Iterator<Item = Connection>) -> Self {
        let hasher = &self.hasher;
        self.present = own.map(|found| hasher.hash_one(place_of(&found))).collect();
        self
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
        self.digest.add(&entry);
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
        let place = self.hasher.hash_one(place(&entry));
        if self.present.contains(&place) {
            return Ok(());
        }
        let found = there(&self.hasher, &entry);
        if entry.timeout > ENDING && self.wanted.insert(found) && self.known.counts(&entry) {
            self.counts.add(&entry);
        }
        let other = self.templates.get(&place).filter(|_| entry.is_template());
        if other.is_some_and(|there| there.ip() != entry.server.ip()) {
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
            counts: self.counts,
            hasher: self.hasher,
            encoder: self.encoder,
            received: self.received,
            digest: self.digest,
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
    counts: Counts,
    hasher: RandomState,
    encoder: Encoder,
    received: u64,
    digest: EntriesDigest,
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

    /// The digest of everything that came, also of what was refused.
    #[must_use]
    pub const fn digest(&self) -> EntriesDigest {
        self.digest
    }

    /// How many entries the own kernel should count for each server.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Everything that should be in the own table.
    #[must_use]
    pub fn all(&self) -> Missing {
        Missing(self.wanted.clone())
    }

    /// Strikes out what is in the own table.
    pub fn find(&self, missing: &mut Missing, table: impl Iterator<Item = Connection>) {
        for found in table {
            missing.0.remove(&here(&self.hasher, &found));
        }
    }

    /// What is not in the own table, read once.
    pub fn compare(&self, table: impl Iterator<Item = Connection>) -> Missing {
        let mut missing = self.all();
        self.find(&mut missing, table);
        missing
    }

    /// The messages with what is missing, and with all entries of these servers.
    pub fn again(&mut self, missing: &Missing, servers: &[IpAddr]) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for entry in entries(&self.messages, &self.deferred) {
            let is_missing = missing.0.contains(&there(&self.hasher, &entry));
            if !is_missing && !servers.contains(&entry.server.ip()) {
                continue;
            }
            // The kernel ignores an inactive connection if it has another server for it; an active
            // one takes the place of that.
            if is_missing && entry.flags.has(Flags::INACTIVE) && !entry.is_template() {
                let flags = Flags(entry.flags.0 & !Flags::INACTIVE.0);
                let active = Entry {
                    flags,
                    ..entry.clone()
                };
                push(&mut self.encoder, &active, &mut messages);
            }
            push(&mut self.encoder, &entry, &mut messages);
        }
        messages.extend(self.encoder.finish());
        messages
    }

    /// The servers of what is missing: of each, how many of how many.
    #[must_use]
    pub fn missing_at(&self, missing: &Missing) -> BTreeMap<SocketAddr, (u64, u64)> {
        let mut found: BTreeMap<SocketAddr, (u64, u64)> = BTreeMap::new();
        for entry in entries(&self.messages, &self.deferred) {
            let (lost, of) = found.entry(entry.server).or_default();
            *lost += u64::from(missing.0.contains(&there(&self.hasher, &entry)));
            *of += 1;
        }
        found.retain(|_, (lost, _)| *lost > 0);
        found
    }
}

/// The entries of own messages.
fn entries<'m>(
    messages: &'m [Vec<u8>],
    deferred: &'m [Vec<u8>],
) -> impl Iterator<Item = Entry> + 'm {
    let all = messages.iter().chain(deferred);
    all.flat_map(|message| ipvs_sync::decode(message).map_or(Vec::new(), |message| message.entries))
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

/// Where the kernel has one entry at most.
type Place<'e> = (u8, SocketAddr, SocketAddr, &'e [u8]);

/// What identifies an entry. The kernel chooses the port of some templates' servers.
fn key(hasher: &RandomState, place: Place<'_>, is_template: bool, server: SocketAddr) -> u64 {
    let port = (!is_template).then_some(server.port());
    hasher.hash_one((place, is_template, server.ip(), port))
}

fn here(hasher: &RandomState, found: &Connection) -> u64 {
    key(hasher, place_of(found), is_template(found), found.server)
}

fn there(hasher: &RandomState, entry: &Entry) -> u64 {
    key(hasher, place(entry), entry.is_template(), entry.server)
}

fn place_of(found: &Connection) -> Place<'_> {
    let engine = found.engine.as_ref();
    let data = engine.map_or(&[][..], |engine| &engine.data);
    (protocol(found), found.client, found.virtual_service, data)
}

fn place(entry: &Entry) -> Place<'_> {
    let engine = entry.engine.as_ref();
    let data = engine.map_or(&[][..], |engine| &engine.data);
    (entry.protocol, entry.client, entry.virtual_service, data)
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
