//! Reading attribute values, and the frame of a nest.
//!
//! Values longer than expected are read from their beginning, as the kernel's own `nla_get_*`
//! does; shorter ones are an error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DefaultNla, Emitable, Nla, NlaBuffer, NlasIterator, Parseable};

use super::DecodeError;
use crate::model::{Family, Name};

/// An attribute of a kind that this library does not know, kept as it came.
pub(super) type Unknown = DefaultNla;

/// One attribute as it lies in the buffer.
pub(super) struct Raw<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
    buffer: NlaBuffer<&'a [u8]>,
}

impl Raw<'_> {
    /// The attribute as one that is not known.
    pub(super) fn unknown(&self, what: &'static str) -> Result<Unknown, DecodeError> {
        Unknown::parse(&self.buffer).map_err(|error| DecodeError::Malformed {
            what,
            detail: error.to_string(),
        })
    }
}

/// The attributes in a nest or behind the headers, in their order.
pub(super) fn attributes<'a>(
    bytes: &'a [u8],
    what: &'static str,
) -> impl Iterator<Item = Result<Raw<'a>, DecodeError>> {
    NlasIterator::new(bytes).map(move |nla| {
        let buffer = nla.map_err(|error| DecodeError::Malformed {
            what,
            detail: error.to_string(),
        })?;
        let bytes: &'a [u8] = buffer.into_inner();
        let length = usize::from(buffer.length());
        let value = bytes
            .get(netlink_packet_core::NLA_HEADER_SIZE..length)
            .unwrap_or_default();
        Ok(Raw {
            kind: buffer.kind(),
            value,
            buffer,
        })
    })
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

/// `union nf_inet_addr`: 16 bytes, of which IPv4 uses the first four. Shorter values are filled
/// up with zeros, as the kernel's `nla_memcpy` does.
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

/// The family with that number.
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

/// A NUL-terminated string of at most [`Name::MAX`] bytes; `None` when it is empty.
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

/// The length of a name's value: its bytes and the NUL.
pub(super) fn name_len(name: &Name) -> usize {
    name.as_bytes().len() + 1
}

pub(super) fn emit_name(name: &Name, buffer: &mut [u8]) {
    let text = name.as_bytes();
    buffer[..text.len()].copy_from_slice(text);
    buffer[text.len()] = 0;
}

/// The length of a run of attributes.
pub(super) fn nest_len<T: Nla>(attributes: &[T]) -> usize {
    attributes.buffer_len()
}

pub(super) fn emit_nest<T: Nla>(attributes: &[T], buffer: &mut [u8]) {
    attributes.emit(buffer);
}
