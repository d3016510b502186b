//! Digests by which directors compare what they have.

use std::net::IpAddr;

use ipvs_sync::{Entry, Flags};

/// FNV-1a with 64 bits: the same in all versions, and no protection against a forger, whom the
/// channel keeps out.
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn text(&mut self, text: &[u8]) {
        // With its length, so that two texts are not one.
        self.number(text.len() as u64);
        self.bytes(text);
    }

    pub(crate) const fn value(&self) -> u64 {
        self.0
    }
}

/// The digest of a set of entries, whatever their order: of what identifies them, not of what
/// packets change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntriesDigest(u64);

impl EntriesDigest {
    /// Adds an entry, which must not be there yet.
    pub fn add(&mut self, entry: &Entry) {
        let mut digest = Digest::new();
        digest.number(entry.protocol.into());
        for end in [entry.client, entry.virtual_service, entry.server] {
            match end.ip() {
                IpAddr::V4(v4) => digest.text(&v4.octets()),
                IpAddr::V6(v6) => digest.text(&v6.octets()),
            }
            digest.number(end.port().into());
        }
        digest.number(entry.flags.has(Flags::TEMPLATE).into());
        digest.number(entry.mark.into());
        let engine = entry.engine.as_ref();
        digest.text(engine.map_or(b"", |engine| &engine.data));
        self.0 = self.0.wrapping_add(digest.value());
    }

    /// As a number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}
