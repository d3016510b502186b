//! Messages into entries.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::encode::{ENGINE_DATA, ENGINE_NAME, HEADER, NAME, SEQUENCE, V4, V6};
use crate::entry::{Engine, Entry, Flags, Sequence};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The group of directors.
    pub id: u8,
    /// Its entries, at most 255.
    pub entries: Vec<Entry>,
}

/// What is wrong with a message. No part of it is used then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Shorter than its header.
    #[error("message of {found} bytes; its header has 8")]
    Short {
        /// Bytes of the message.
        found: usize,
    },
    /// The length in the header is another one.
    #[error("message of {found} bytes that says it has {said}")]
    Length {
        /// Bytes of the message.
        found: usize,
        /// What it says.
        said: usize,
    },
    /// Not version 1. Kernels before 2.6.39 send version 0, in which the second byte is not 0.
    #[error("message of version {found}; only 1 is known")]
    Version {
        /// What it says.
        found: u8,
    },
    /// An entry is cut off, or shorter than its addresses.
    #[error("entry {number} of {said} bytes, with {left} left in the message")]
    Entry {
        /// Which, from 0.
        number: usize,
        /// What it says.
        said: usize,
        /// What is left of the message.
        left: usize,
    },
    /// An entry of another family or version.
    #[error("entry {number} is of an unknown type or version")]
    Unknown {
        /// Which, from 0.
        number: usize,
    },
    /// An option of an entry has a wrong length, exists twice, or is unknown.
    #[error("entry {number} has a wrong option {option}")]
    Option {
        /// Which, from 0.
        number: usize,
        /// The option's type.
        option: u8,
    },
    /// Bytes behind the last entry.
    #[error("{left} bytes behind the last entry")]
    Rest {
        /// How many.
        left: usize,
    },
}

/// Decodes a message, strictly: every byte of it has a meaning, except those that fill it up.
///
/// # Errors
/// If the message is not one that a kernel or an [`Encoder`](crate::Encoder) sends.
pub fn decode(bytes: &[u8]) -> Result<Message, DecodeError> {
    let found = bytes.len();
    let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(DecodeError::Short { found });
    };
    let [first, id, high, low, count, version, ..] = *header;
    if first != 0 || version != 1 {
        let found = if first == 0 { version } else { 0 };
        return Err(DecodeError::Version { found });
    }
    let said = usize::from(u16::from_be_bytes([high, low]));
    if said != found {
        return Err(DecodeError::Length { found, said });
    }
    let mut entries = Vec::with_capacity(usize::from(count));
    for number in 0..usize::from(count) {
        let (entry, length) = entry(rest, number)?;
        entries.push(entry);
        // The last one is not always filled up.
        let filled = length.next_multiple_of(4).min(rest.len());
        rest = &rest[filled..];
    }
    if !rest.is_empty() {
        return Err(DecodeError::Rest { left: rest.len() });
    }
    Ok(Message { id, entries })
}

/// The first entry of these bytes, and its length.
fn entry(bytes: &[u8], number: usize) -> Result<(Entry, usize), DecodeError> {
    let cut = |said| DecodeError::Entry {
        number,
        said,
        left: bytes.len(),
    };
    let Some(&[family, protocol, high, low]) = bytes.first_chunk::<4>() else {
        return Err(cut(0));
    };
    let said = u16::from_be_bytes([high, low]);
    if said >> 12 != 0 || family > 1 {
        return Err(DecodeError::Unknown { number });
    }
    let (length, is_v6) = (usize::from(said), family == 1);
    let fixed = if is_v6 { V6 } else { V4 };
    if length < fixed || length > bytes.len() {
        return Err(cut(length));
    }
    let mut reader = Reader {
        rest: &bytes[4..length],
    };
    let incomplete = || cut(length);
    let flags = Flags(reader.word().ok_or_else(incomplete)?);
    let [state, client, virtual_port, server] = reader.halves().ok_or_else(incomplete)?;
    let mark = reader.word().ok_or_else(incomplete)?;
    let timeout = reader.word().ok_or_else(incomplete)?;
    let mut endpoint = |port| {
        let address = reader.address(is_v6)?;
        Some(SocketAddr::new(address, port))
    };
    let mut found = Entry {
        flags,
        state,
        mark,
        timeout,
        ..Entry::new(
            protocol,
            endpoint(client).ok_or_else(incomplete)?,
            endpoint(virtual_port).ok_or_else(incomplete)?,
            endpoint(server).ok_or_else(incomplete)?,
        )
    };
    options(reader, &mut found).map_err(|option| DecodeError::Option { number, option })?;
    Ok((found, length))
}

/// Reads the options into the entry. Fails with the type of a wrong one.
fn options(mut reader: Reader<'_>, into: &mut Entry) -> Result<(), u8> {
    let (mut name, mut data) = (None, None);
    while let Some([kind]) = reader.take::<1>() {
        let found = reader.take::<1>();
        let found = found.and_then(|[length]| reader.slice(usize::from(length)));
        let found = found.filter(|found| !found.is_empty()).ok_or(kind)?;
        let is_second = match kind {
            SEQUENCE => {
                let found = <[u8; 24]>::try_from(found).map_err(|_| kind)?;
                into.sequence.replace(Box::new(Sequence(found))).is_some()
            }
            ENGINE_DATA => data.replace(found.to_vec()).is_some(),
            ENGINE_NAME if found.len() <= NAME => name.replace(found.to_vec()).is_some(),
            _ => true,
        };
        if is_second {
            return Err(kind);
        }
    }
    into.engine = match (name, data) {
        (Some(name), Some(data)) => Some(Box::new(Engine { name, data })),
        (None, None) => None,
        (Some(_), None) => return Err(ENGINE_NAME),
        (None, Some(_)) => return Err(ENGINE_DATA),
    };
    Ok(())
}

/// Bytes from front to back.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn halves<const N: usize>(&mut self) -> Option<[u16; N]> {
        let mut halves = [0; N];
        for half in &mut halves {
            *half = u16::from_be_bytes(self.take()?);
        }
        Some(halves)
    }

    fn address(&mut self, is_v6: bool) -> Option<IpAddr> {
        if is_v6 {
            self.take::<16>().map(IpAddr::from)
        } else {
            self.take::<4>().map(IpAddr::from)
        }
    }
}
