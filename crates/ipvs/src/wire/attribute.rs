//! Reads attribute values and frames nests.
//!
//! Longer values than expected are read from their start, as the kernel's `nla_get_*` do; shorter
//! ones are an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DefaultNla, Emitable, NLA_HEADER_SIZE, NLA_TYPE_MASK, Nla};

use super::DecodeError;
use crate::model::{Family, Name};

/// An attribute of unknown type, kept as received.
pub(super) type Unknown = DefaultNla;

/// One attribute in the buffer, its type without the flag bits.
pub(super) struct Raw<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

impl Raw<'_> {
    /// The attribute as an unknown one.
    pub(super) fn unknown(&self) -> Unknown {
        Unknown::new(self.kind, self.value.to_vec())
    }
}

/// The attributes of a nest or behind the headers, in order. A malformed attribute yields an error
/// and ends the iteration.
///
/// A listing of 50,000 servers has two million of them, so this is its own loop rather than that of
/// netlink-packet-core, which takes three times as long.
pub(super) fn attributes<'a>(bytes: &'a [u8], what: &'static str) -> Attributes<'a> {
    Attributes { rest: bytes, what }
}

pub(super) struct Attributes<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Raw<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let header = self.rest.first_chunk::<NLA_HEADER_SIZE>();
        let [low, high, kind @ ..] = header.copied().unwrap_or_default();
        let length = usize::from(u16::from_ne_bytes([low, high]));
        // `None` if the length is shorter than the header, or if the header itself is missing.
        let Some(value) = self.rest.get(NLA_HEADER_SIZE..length) else {
            let detail = format!(
                "an attribute says that it has {length} bytes, where {} are left",
                self.rest.len()
            );
            self.rest = &[];
            return Some(Err(DecodeError::Malformed {
                what: self.what,
                detail,
            }));
        };
        self.rest = self
            .rest
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        let kind = u16::from_ne_bytes(kind) & NLA_TYPE_MASK;
        Some(Ok(Raw { kind, value }))
    }
}

fn fixed<const N: usize>(value: &[u8], what: &'static str) -> Result<[u8; N], DecodeError> {
    value.first_chunk::<N>().copied().ok_or(DecodeError::Short {
        what,
        length: value.len(),
        needed: N,
    })
}

pub(super) fn u8(value: &[u8], what: &'static str) -> Result<u8, DecodeError> {
    Ok(u8::from_ne_bytes(fixed(value, what)?))
}

pub(super) fn u16(value: &[u8], what: &'static str) -> Result<u16, DecodeError> {
    Ok(u16::from_ne_bytes(fixed(value, what)?))
}

/// A `__be16`: ports.
pub(super) fn be16(value: &[u8], what: &'static str) -> Result<u16, DecodeError> {
    Ok(u16::from_be_bytes(fixed(value, what)?))
}

pub(super) fn u32(value: &[u8], what: &'static str) -> Result<u32, DecodeError> {
    Ok(u32::from_ne_bytes(fixed(value, what)?))
}

pub(super) fn u64(value: &[u8], what: &'static str) -> Result<u64, DecodeError> {
    Ok(u64::from_ne_bytes(fixed(value, what)?))
}

/// Four bytes in network order: an IPv4 address or mask.
pub(super) fn ipv4(value: &[u8], what: &'static str) -> Result<Ipv4Addr, DecodeError> {
    Ok(Ipv4Addr::from(fixed::<4>(value, what)?))
}

pub(super) fn ipv6(value: &[u8], what: &'static str) -> Result<Ipv6Addr, DecodeError> {
    Ok(Ipv6Addr::from(fixed::<16>(value, what)?))
}

pub(super) fn bytes4(value: &[u8], what: &'static str) -> Result<[u8; 4], DecodeError> {
    fixed(value, what)
}

/// `union nf_inet_addr`: 16 bytes, of which IPv4 uses the first four. Shorter values are padded
/// with zeros, as the kernel's `nla_memcpy` does.
pub(super) fn address_bytes(value: &[u8], what: &'static str) -> Result<[u8; 16], DecodeError> {
    let mut bytes = [0; 16];
    let length = value.len().min(bytes.len());
    if length < 4 {
        return Err(DecodeError::Short {
            what,
            length,
            needed: 4,
        });
    }
    bytes[..length].copy_from_slice(&value[..length]);
    Ok(bytes)
}

/// An address in `union nf_inet_addr`.
pub(super) fn address(bytes: [u8; 16], family: Family) -> IpAddr {
    match family {
        Family::V4 => {
            let [a, b, c, d, ..] = bytes;
            Ipv4Addr::new(a, b, c, d).into()
        }
        Family::V6 => Ipv6Addr::from(bytes).into(),
    }
}

/// `union nf_inet_addr` of an address.
pub(super) fn union(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// The family with this number.
pub(super) fn family(number: u16, what: &'static str) -> Result<Family, DecodeError> {
    match number {
        2 => Ok(Family::V4),
        10 => Ok(Family::V6),
        other => Err(DecodeError::Value {
            what,
            value: other.into(),
        }),
    }
}

/// A NUL-terminated string of at most [`Name::MAX`] bytes; `None` if empty.
pub(super) fn name(value: &[u8], what: &'static str) -> Result<Option<Name>, DecodeError> {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    Name::new(text)
        .map(Some)
        .map_err(|error| DecodeError::Malformed {
            what,
            detail: error.to_string(),
        })
}

/// The length of a name's value: its bytes and a NUL.
pub(super) fn name_len(name: &Name) -> usize {
    name.as_bytes().len() + 1
}

pub(super) fn emit_name(name: &Name, buffer: &mut [u8]) {
    let text = name.as_bytes();
    buffer[..text.len()].copy_from_slice(text);
    buffer[text.len()] = 0;
}

/// The length of a sequence of attributes.
pub(super) fn nest_len<T: Nla>(attributes: &[T]) -> usize {
    attributes.buffer_len()
}

pub(super) fn emit_nest<T: Nla>(attributes: &[T], buffer: &mut [u8]) {
    attributes.emit(buffer);
}
