//! A virtual router.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use vrrp::machine::SendForm;
use vrrp::{Auth, Family, Interval, Version, VirtualRouterId};

use super::{Route, VirtualAddress};

/// One virtual router: an id in one family on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualRouter {
    /// The id.
    pub id: VirtualRouterId,
    /// The family of its addresses.
    pub family: Family,
    /// The version of the protocol; IPv6 has version 3 only.
    pub version: Version,
    /// The interface that sends and receives the adverts.
    pub interface: Arc<str>,
    /// The address from which adverts are sent. `None`: the interface's first address of the
    /// family that is not virtual; for IPv6 its link-local address.
    pub source: Option<IpAddr>,
    /// The other directors, for unicast. May contain this machine's own address, which the daemon
    /// leaves out, so that one list serves all directors. Empty: multicast.
    pub peers: Vec<IpAddr>,
    /// The time between two adverts.
    pub interval: Interval,
    /// The virtual addresses in the order of the adverts, never empty. For IPv6 the first one is
    /// link-local, as RFC 9568 demands: if the file has none,
    /// [`VirtualRouter::derived_link_local`].
    pub addresses: Vec<VirtualAddress>,
    /// Routes that exist only while it is active.
    pub routes: Vec<Route>,
    /// The authentication of version 2.
    pub auth: Auth,
    /// The checksum of what it sends, in version 3 over IPv4.
    pub checksum: SendForm,
    /// The least TTL or hop limit that it accepts: 255 on a link, less for unicast peers beyond
    /// routers.
    pub least_hop_limit: u8,
    /// Whether the addresses have the MAC address of the virtual router.
    pub virtual_mac: bool,
}

impl VirtualRouter {
    /// The link-local virtual address of an IPv6 router for which the file names none: `fe80::`
    /// and the interface identifier that follows from the virtual MAC address
    /// `00-00-5E-00-02-{id}` (RFC 9568, 7.3, and RFC 4291, appendix A). All directors derive the
    /// same.
    #[must_use]
    pub const fn derived_link_local(id: VirtualRouterId) -> Ipv6Addr {
        Ipv6Addr::new(
            0xfe80,
            0,
            0,
            0,
            0x0200,
            0x5eff,
            0xfe00,
            0x0200 | id.get() as u16,
        )
    }

    /// Its MAC address: RFC 9568, 7.3.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        let family = match self.family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        [0, 0, 0x5e, 0, family, self.id.get()]
    }

    /// The same for people: `00:00:5e:00:01:33`.
    #[must_use]
    pub fn mac_text(&self) -> String {
        self.mac().map(|byte| format!("{byte:02x}")).join(":")
    }

    /// The interface that director makes for the virtual MAC address, if it has one.
    #[must_use]
    pub fn virtual_interface(&self) -> Option<Arc<str>> {
        let family = match self.family {
            Family::V4 => "",
            Family::V6 => "6",
        };
        let name = || format!("vrrp{family}.{}", self.id.get()).into();
        self.virtual_mac.then(name)
    }

    /// Whether it speaks to named peers only.
    #[must_use]
    pub const fn is_unicast(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The addresses that the adverts name, in order. How many fit is up to the MTU.
    pub fn advertised(&self) -> impl Iterator<Item = IpAddr> {
        let named = self.addresses.iter().filter(|held| held.advertised);
        named.map(|held| held.address)
    }
}
