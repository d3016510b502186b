//! The own connection table, for a peer and in comparison with what a peer sent.

use std::collections::BTreeMap;

use director_peer::incoming::MOST;
use director_peer::outgoing::{Known, LeftOut};
use director_peer::wire::ENTRIES;
use ipvs::{Client, Connection, Connections};
use ipvs_sync::Encoder;

/// What became of the entries of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// How many were told.
    pub entries: u64,
    /// What was left out, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
}

/// The services of the kernel, without those of checks.
///
/// # Errors
/// If the kernel does not tell them.
pub fn known(is_private: impl Fn(u32) -> bool) -> ipvs::Result<Known> {
    Ok(Known::new(&Client::connect()?.table()?, is_private))
}

/// Reads the table of this thread's network namespace into messages, which go to `tell` one after
/// the other; that returns `false` to end it. The table is read line by line, as `tell` takes it.
///
/// # Errors
/// If it cannot be read.
pub fn tell(known: &Known, mut tell: impl FnMut(Vec<u8>) -> bool) -> ipvs::Result<Told> {
    let mut told = Told::default();
    let mut encoder = Encoder::new(0, ENTRIES);
    for connection in Connections::open()? {
        let entry = connection.map_err(Some).and_then(|connection| {
            let entry = known.entry(&connection);
            entry.map_err(|why| {
                *told.left_out.entry(why).or_default() += 1;
                None
            })
        });
        let entry = match entry {
            Ok(entry) => entry,
            Err(None) => continue,
            Err(Some(error)) => return Err(error),
        };
        match encoder.push(&entry) {
            Ok(full) => {
                told.entries += 1;
                if full.is_some_and(|full| !tell(full)) || told.entries > MOST {
                    return Ok(told);
                }
            }
            Err(_) => *told.left_out.entry(LeftOut::Family).or_default() += 1,
        }
    }
    if let Some(last) = encoder.finish() {
        tell(last);
    }
    Ok(told)
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
