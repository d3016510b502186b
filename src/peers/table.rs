//! The own connection table, for a peer and in comparison with what a peer sent.

use std::collections::BTreeMap;

use director_peer::counts::{Counts, Short};
use director_peer::digest::EntriesDigest;
use director_peer::incoming::MOST;
use director_peer::outgoing::{Known, LeftOut};
use director_peer::wire::ENTRIES;
use ipvs::{Client, Connection, Connections};
use ipvs_sync::Encoder;

use super::reading::Reader;
use crate::state::relay;

/// How often the table is read until a reading is whole and the counters agree.
const READINGS: u32 = 3;

/// What became of the entries of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// How many were told.
    pub entries: u64,
    /// What was left out, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Of those that were told.
    pub digest: EntriesDigest,
    /// Whether everything is among them that was there during the last reading.
    pub is_whole: bool,
    /// The servers for which the kernel counts more than was read.
    pub short: Vec<Short>,
}

/// The services of the kernel, without those of checks.
///
/// # Errors
/// If the kernel does not tell them.
pub fn known(is_private: impl Fn(u32) -> bool) -> ipvs::Result<Known> {
    Ok(Known::new(&Client::connect()?.table()?, is_private))
}

/// How many entries the kernel counts for each server.
///
/// # Errors
/// If the kernel does not tell.
pub fn counted() -> ipvs::Result<Counts> {
    Ok(Counts::of(&Client::connect()?.table()?))
}

/// Reads the table of this thread's network namespace into messages, which go to `tell` one after
/// the other; that returns `false` to end it. The table is read page by page, as `tell` takes it.
///
/// A reading that is not whole is followed by another one, which tells only what is new. So is one
/// that has fewer entries of a server than the kernel counted both before and afterwards.
///
/// # Errors
/// If it cannot be read.
pub fn tell(known: &Known, tell: impl FnMut(Vec<u8>) -> bool) -> ipvs::Result<Told> {
    let mut reader = Reader::default();
    let mut telling = Telling {
        known,
        tell,
        told: Told::default(),
        counts: Counts::default(),
        encoder: Encoder::new(0, ENTRIES),
        is_stopped: false,
    };
    for _ in 0..READINGS {
        let before = counted()?;
        telling.told.is_whole = reader.read(|connection| telling.take(&connection))?;
        if telling.is_stopped {
            return Ok(telling.told);
        }
        let expected = before.least(&counted()?);
        telling.told.short = telling.counts.short_of(&expected);
        if telling.told.is_whole && telling.told.short.is_empty() {
            break;
        }
    }
    if let Some(last) = telling.encoder.finish() {
        (telling.tell)(last);
    }
    Ok(telling.told)
}

/// A table that is being told.
struct Telling<'k, T> {
    known: &'k Known,
    tell: T,
    told: Told,
    /// Everything that was read.
    counts: Counts,
    encoder: Encoder,
    is_stopped: bool,
}

impl<T: FnMut(Vec<u8>) -> bool> Telling<'_, T> {
    /// Tells an entry, or notes why not. Returns whether more are wanted.
    fn take(&mut self, connection: &Connection) -> bool {
        if connection.virtual_service == relay::PULSE {
            return true;
        }
        self.counts.read(connection);
        let entry = match self.known.entry(connection) {
            Ok(entry) => entry,
            Err(why) => {
                *self.told.left_out.entry(why).or_default() += 1;
                return true;
            }
        };
        match self.encoder.push(&entry) {
            Ok(full) => {
                self.told.entries += 1;
                self.told.digest.add(&entry);
                let is_taken = full.is_none_or(|full| (self.tell)(full));
                self.is_stopped = !is_taken || self.told.entries > MOST;
            }
            Err(_) => *self.told.left_out.entry(LeftOut::Family).or_default() += 1,
        }
        !self.is_stopped
    }
}

/// The own table; a line that cannot be read ends it.
///
/// # Errors
/// If it cannot be opened.
pub fn own() -> ipvs::Result<impl Iterator<Item = Connection>> {
    Ok(Connections::open()?.map_while(Result::ok))
}

/// The templates of the own table.
///
/// # Errors
/// If it cannot be opened.
pub fn templates() -> ipvs::Result<impl Iterator<Item = Connection>> {
    Ok(own()?.filter(|found| found.client.port() == 0))
}
