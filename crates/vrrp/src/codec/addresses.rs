//! The virtual addresses of a message, in the octets of the wire.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Family, Version};

/// The most addresses that a message has room for: at most 255, the highest count, and no more than
/// fit a packet of this MTU.
///
/// With an MTU of 1500 these are 255 (version 3, IPv4) and 90 (IPv6). A virtual router may hold
/// more; those beyond are held but not sent.
#[must_use]
pub fn max_addresses(version: Version, family: Family, mtu: u16) -> usize {
    let headers = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    } + super::HEADER
        + super::auth_octets(version);
    (usize::from(mtu).saturating_sub(headers) / family.octets()).min(255)
}

/// A list of addresses of one family, borrowed: from a message, or from an [`AddressList`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addresses<'a> {
    family: Family,
    octets: &'a [u8],
}

impl<'a> Addresses<'a> {
    /// `octets` is a multiple of an address.
    pub(super) const fn over(family: Family, octets: &'a [u8]) -> Self {
        Self { family, octets }
    }

    /// The family of all of them.
    #[must_use]
    pub const fn family(self) -> Family {
        self.family
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.octets.len() / self.family.octets()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// The octets of all of them, as on the wire.
    #[must_use]
    pub const fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// At most `count` of them.
    #[must_use]
    pub fn first(self, count: usize) -> Self {
        let end = count.saturating_mul(self.family.octets());
        Self {
            family: self.family,
            octets: self.octets.get(..end).unwrap_or(self.octets),
        }
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> + 'a {
        let family = self.family;
        self.octets
            .chunks_exact(family.octets())
            .filter_map(move |octets| match family {
                Family::V4 => <[u8; 4]>::try_from(octets)
                    .ok()
                    .map(|octets| Ipv4Addr::from(octets).into()),
                Family::V6 => <[u8; 16]>::try_from(octets)
                    .ok()
                    .map(|octets| Ipv6Addr::from(octets).into()),
            })
    }

    /// Whether both have the same addresses, in any order and however often.
    #[must_use]
    pub fn same_set(self, other: Self) -> bool {
        if self == other {
            return true;
        }
        if self.family != other.family {
            return false;
        }
        let sorted = |list: Self| {
            let mut all: Vec<&[u8]> = list.octets.chunks_exact(list.family.octets()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        sorted(self) == sorted(other)
    }

    /// Whether the first address is link-local, as it has to be in a message over IPv6 (RFC 9568,
    /// 5.2.9).
    #[must_use]
    pub fn starts_link_local(self) -> bool {
        matches!(self.iter().next(), Some(IpAddr::V6(first)) if first.is_unicast_link_local())
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A list of addresses of one family, owned.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AddressList {
    family: Family,
    octets: Vec<u8>,
}

impl AddressList {
    /// Without addresses.
    #[must_use]
    pub const fn new(family: Family) -> Self {
        Self {
            family,
            octets: Vec::new(),
        }
    }

    /// Appends an address. `false`, and nothing is appended, if it is of the other family.
    #[must_use]
    pub fn push(&mut self, address: IpAddr) -> bool {
        match (self.family, address) {
            (Family::V4, IpAddr::V4(address)) => self.octets.extend(address.octets()),
            (Family::V6, IpAddr::V6(address)) => self.octets.extend(address.octets()),
            _ => return false,
        }
        true
    }

    /// Borrowed.
    #[must_use]
    pub fn as_addresses(&self) -> Addresses<'_> {
        Addresses::over(self.family, &self.octets)
    }
}

impl fmt::Debug for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_addresses().fmt(f)
    }
}

impl FromIterator<Ipv4Addr> for AddressList {
    fn from_iter<I: IntoIterator<Item = Ipv4Addr>>(addresses: I) -> Self {
        let octets = addresses.into_iter().flat_map(|a| a.octets()).collect();
        Self {
            family: Family::V4,
            octets,
        }
    }
}

impl FromIterator<Ipv6Addr> for AddressList {
    fn from_iter<I: IntoIterator<Item = Ipv6Addr>>(addresses: I) -> Self {
        let octets = addresses.into_iter().flat_map(|a| a.octets()).collect();
        Self {
            family: Family::V6,
            octets,
        }
    }
}
