//! Addresses and routes that this machine holds, always or while it is active.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// `[address.NAME]`: addresses that this machine holds while director runs, without VRRP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its name in the file.
    pub name: Arc<str>,
    /// The interface that gets the addresses.
    pub interface: Arc<str>,
    /// The addresses, never empty.
    pub addresses: Vec<VirtualAddress>,
    /// Routes that exist as long as the addresses.
    pub routes: Vec<Route>,
    /// What becomes of the addresses when the daemon dies. `Keep` by default: there is no other
    /// director to take over.
    pub on_death: OnDeath,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announce: Announce,
}

/// A virtual address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix. By default 32 or 128: then the kernel adds no route to the
    /// network, and the expiry of the address takes no other one along.
    pub prefix: u8,
    /// The interface that gets it, if it is another one than the router's or the section's.
    pub interface: Option<Arc<str>>,
    /// The label (`ifa_label`) of an IPv4 address, such as `eth0:1`.
    pub label: Option<Arc<str>>,
    /// Whether the adverts name it. An address that is held but not named does not count when
    /// peers compare their lists (keepalived's `virtual_ipaddress_excluded`).
    pub advertised: bool,
    /// Whether the file does not have it: [`VirtualRouter::derived_link_local`].
    ///
    /// [`VirtualRouter::derived_link_local`]: super::VirtualRouter::derived_link_local
    pub derived: bool,
}

impl VirtualAddress {
    /// An address of its own, in the adverts.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            prefix: Self::whole(address),
            interface: None,
            label: None,
            advertised: true,
            derived: false,
        }
    }

    /// The length of a prefix that contains nothing but the address.
    #[must_use]
    pub const fn whole(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }
}

/// A route that comes and goes with the role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The destination and the length of its prefix; length 0 for the default route.
    pub to: (IpAddr, u8),
    /// The next hop.
    pub via: Option<IpAddr>,
    /// The outgoing interface; `None`: the kernel finds it by `via`.
    pub interface: Option<Arc<str>>,
    /// The preferred source address.
    pub source: Option<IpAddr>,
    /// The routing table; 254 (main) by default.
    pub table: u32,
    /// The metric; 0 lets the kernel choose.
    pub metric: u32,
}

/// What becomes of addresses and routes when the daemon dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnDeath {
    /// The kernel removes the addresses a few seconds later: they are leases.
    #[default]
    Release,
    /// They stay until a daemon removes them.
    Keep,
}

/// Gratuitous ARP and unsolicited neighbour advertisements for the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// How many for each address on takeover, and after every resolved conflict; at least 1.
    pub first: u32,
    /// How many for each address in the second burst; 0 for none.
    pub second: u32,
    /// The time from the first burst to the second.
    pub after: Duration,
    /// The time between two announcements of one address later on; `None` for none.
    pub refresh: Option<Duration>,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            first: 5,
            second: 5,
            after: Duration::from_secs(5),
            refresh: Some(Duration::from_secs(60)),
        }
    }
}
