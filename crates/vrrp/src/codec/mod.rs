//! Adverts from and to bytes.
//!
//! Both directions borrow: a decoded [`Advert`] points into the received bytes, an encoded one goes
//! into a buffer made in advance.
//!
//! ```text
//! version 2                                   version 3
//! 2|type   id       priority  count           3|type   id       priority  count
//! auth     interval(s)  checksum              rsvd|interval(cs) checksum
//! addresses, 4 bytes each                     addresses, 4 or 16 bytes each
//! 8 bytes of authentication data
//! ```

mod addresses;
mod checksum;
mod decode;
mod encode;
mod error;
mod packet;

pub use addresses::{AddressList, Addresses, max_addresses};
pub use checksum::{AcceptForms, ChecksumForm, MULTICAST_V4};
pub use decode::{Expect, Received, peek};
pub use error::{DecodeError, EncodeError};
pub use packet::Datagram;

use std::net::Ipv6Addr;

use crate::{Auth, Interval, Priority, Version, VirtualRouterId};

/// The number of VRRP in the IP header.
pub const PROTOCOL: u8 = 112;

/// The group to which adverts over IPv6 go.
pub const MULTICAST_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The TTL or hop limit of every advert.
pub const HOP_LIMIT: u8 = 255;

/// Bytes before the addresses.
const HEADER: usize = 8;

/// Bytes behind the addresses.
const fn auth_octets(version: Version) -> usize {
    match version {
        Version::V2 => 8,
        Version::V3 => 0,
    }
}

/// An advert: what the active router of a virtual router says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// The version.
    pub version: Version,
    /// Which virtual router.
    pub router: VirtualRouterId,
    /// The sender's priority; 0 releases the addresses.
    pub priority: Priority,
    /// The time between its adverts.
    pub interval: Interval,
    /// The virtual addresses, at least one in version 3, at most 255, and no more than fit the
    /// MTU: [`max_addresses`]. Over IPv6 the first is link-local.
    pub addresses: Addresses<'a>,
    /// The authentication of version 2.
    pub auth: Auth,
}
