//! The bytes of an rtnetlink message: a fixed header, then attributes (`struct rtattr`).
//!
//! What should be there and is not is `None`. Attributes that nobody asks about are passed over,
//! as kernels keep getting new ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NlasIterator;

/// `AF_INET`
pub(super) const INET: u8 = 2;
/// `AF_INET6`
pub(super) const INET6: u8 = 10;

/// Hands over each attribute behind a header of that length, with its kind; `None` when they are
/// cut off, or when `each` says so.
pub(super) fn for_each_attribute(
    message: &[u8],
    header: usize,
    mut each: impl FnMut(u16, &[u8]) -> Option<()>,
) -> Option<()> {
    for attribute in NlasIterator::new(message.get(header..)?) {
        let attribute = attribute.ok()?;
        each(attribute.kind(), attribute.value())?;
    }
    Some(())
}

/// An address of that family.
pub(super) fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        INET => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|bytes| Ipv4Addr::from(bytes).into()),
        INET6 => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// The number at the beginning of `bytes`, in the machine's own order.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.get(..4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

/// Writes an attribute. Its value is an address, which needs no padding.
pub(super) fn append_address(message: &mut Vec<u8>, kind: u16, address: IpAddr) {
    let mut attribute = |length: u16, value: &[u8]| {
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(value);
    };
    match address {
        IpAddr::V4(address) => attribute(4 + 4, &address.octets()),
        IpAddr::V6(address) => attribute(4 + 16, &address.octets()),
    }
}
