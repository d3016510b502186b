//! Entries into messages.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::entry::Entry;

/// The header of a message.
pub(crate) const HEADER: usize = 8;
/// An IPv4 entry without options.
pub(crate) const V4: usize = 36;
/// An IPv6 entry without options.
pub(crate) const V6: usize = 72;

pub(crate) const SEQUENCE: u8 = 1;
pub(crate) const ENGINE_DATA: u8 = 2;
pub(crate) const ENGINE_NAME: u8 = 3;

/// The longest name of an engine: `IP_VS_PENAME_MAXLEN`.
pub(crate) const NAME: usize = 16;
/// The longest data of an engine: `IP_VS_PEDATA_MAXLEN`.
pub(crate) const DATA: usize = 255;

/// Why an entry cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// Client, virtual address and server are not of one family. The kernel does not synchronise
    /// such entries either.
    #[error("addresses of both families in one entry")]
    Family,
    /// An engine's name or data is empty or too long.
    #[error("engine's name of {name} bytes and data of {data}: 1 to 16 and 1 to 255 fit")]
    Engine {
        /// Bytes of the name.
        name: usize,
        /// Bytes of the data.
        data: usize,
    },
}

/// Collects entries to messages of a limited length.
#[derive(Debug)]
pub struct Encoder {
    id: u8,
    limit: usize,
    message: Vec<u8>,
    entries: u8,
}

impl Encoder {
    /// What fits an Ethernet frame, and every backup daemon on such an interface.
    pub const ETHERNET: usize = 1448;

    /// The longest message: the kernel's limit.
    pub const LONGEST: usize = 65_507;

    /// Messages with this sync id, none longer than `limit` bytes. A limit below 512 counts as 512,
    /// so that every entry fits, one above [`Encoder::LONGEST`] as that.
    #[must_use]
    pub fn new(id: u8, limit: usize) -> Self {
        Self {
            id,
            limit: limit.clamp(512, Self::LONGEST),
            message: Vec::new(),
            entries: 0,
        }
    }

    /// Adds an entry. Returns the message before it if there was no room left in that.
    ///
    /// # Errors
    /// If the entry cannot be sent; the message stays as it was.
    pub fn push(&mut self, entry: &Entry) -> Result<Option<Vec<u8>>, EncodeError> {
        let bytes = bytes(entry)?;
        let is_full = self.entries == u8::MAX || self.message.len() + bytes.len() > self.limit;
        let full = if is_full { self.finish() } else { None };
        if self.message.is_empty() {
            self.message = vec![0, self.id, 0, 0, 0, 1, 0, 0];
        }
        self.message.extend_from_slice(&bytes);
        self.entries += 1;
        Ok(full)
    }

    /// The last message, if there is one.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        if self.entries == 0 {
            return None;
        }
        let mut message = std::mem::take(&mut self.message);
        // The limit is below 2^16.
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        message[2..4].copy_from_slice(&length.to_be_bytes());
        message[4] = std::mem::take(&mut self.entries);
        Some(message)
    }
}

/// An entry, filled up to a multiple of 4 bytes.
fn bytes(entry: &Entry) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(V6);
    let is_v6 = entry.client.is_ipv6();
    let all = [entry.client, entry.virtual_service, entry.server];
    if all.iter().any(|address| address.is_ipv6() != is_v6) {
        return Err(EncodeError::Family);
    }
    bytes.extend([u8::from(is_v6), entry.protocol, 0, 0]);
    bytes.extend(entry.flags.0.to_be_bytes());
    bytes.extend(entry.state.to_be_bytes());
    for address in &all {
        bytes.extend(address.port().to_be_bytes());
    }
    bytes.extend(entry.mark.to_be_bytes());
    bytes.extend(entry.timeout.to_be_bytes());
    for address in all.iter().map(SocketAddr::ip) {
        match address {
            IpAddr::V4(v4) => bytes.extend(v4.octets()),
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
    }
    if let Some(sequence) = &entry.sequence {
        option(&mut bytes, SEQUENCE, &sequence.0);
    }
    if let Some(engine) = &entry.engine {
        let (name, data) = (engine.name.len(), engine.data.len());
        if !(1..=NAME).contains(&name) || !(1..=DATA).contains(&data) {
            return Err(EncodeError::Engine { name, data });
        }
        option(&mut bytes, ENGINE_DATA, &engine.data);
        option(&mut bytes, ENGINE_NAME, &engine.name);
    }
    // 72, 26, 257 and 18 bytes at most. The version of entries, in the upper four bits, is 0.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

fn option(bytes: &mut Vec<u8>, kind: u8, data: &[u8]) {
    // The longest option has 255 bytes.
    bytes.extend([kind, u8::try_from(data.len()).unwrap_or(u8::MAX)]);
    bytes.extend_from_slice(data);
}
