//! The routes: those that keep an address local, and those that a routing daemon announces.
//!
//! - **A local route keeps an address usable.** IPVS sees packets for addresses of this machine only
//!   (`LOCAL_IN`). With the address on the interface that is so by itself; the route of type `local`
//!   beside it makes it so while the address is withdrawn already, and packets are underway. Routing
//!   daemons do not read the table `local`.
//! - **The end of an address is the end of its route.** The kernel removes an IPv4 route with its
//!   preferred source address (`fib_sync_down_addr`); an IPv6 route has a lifetime of its own, which
//!   the kernel looks at every half minute (`net.ipv6.route.gc_interval`).

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NlasIterator;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use nix::libc;

use super::message::MARK;
use crate::failover::lease::{Requests, ip, number};
use crate::state::failover::VirtualAddress;

/// The most routes of ours that are looked at.
const MOST: usize = 100_000;

/// `RT_TABLE_LOCAL`.
const LOCAL: u32 = 255;

/// `struct rtmsg`.
const HEADER: usize = 12;

/// Behind the kernel's own local route, which an address brings along.
const LOCAL_METRIC: u32 = 1024;

/// A route of director's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnRoute {
    pub(super) to: IpAddr,
    pub(super) table: u32,
    pub(super) metric: u32,
    /// The outgoing interface.
    pub(super) index: u32,
}

impl OwnRoute {
    /// The route that keeps an address local; `index` is the loopback interface.
    pub(super) const fn local(to: IpAddr, index: u32) -> Self {
        Self {
            to,
            table: LOCAL,
            metric: LOCAL_METRIC,
            index,
        }
    }

    pub(super) const fn is_local(&self) -> bool {
        self.table == LOCAL
    }

    /// Adds it, or renews it for so many seconds.
    pub(super) fn put(&self, requests: &mut Requests, lease: u32) -> io::Result<()> {
        let mut message = self.message();
        if self.to.is_ipv6() && !self.is_local() {
            message.attributes.push(RouteAttribute::Expires(lease));
        }
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        requests.change(libc::RTM_NEWROUTE, &message, flags)
    }

    /// Removes it. One that is gone is no error.
    pub(super) fn remove(&self, requests: &mut Requests) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK;
        match requests.change(libc::RTM_DELROUTE, &self.message(), flags) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV)) => {
                Ok(())
            }
            result => result,
        }
    }

    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(self.to);
        header.destination_prefix_length = VirtualAddress::whole(self.to);
        // The kernel compares it when it removes a route: those of others stay.
        header.protocol = RouteProtocol::Other(MARK);
        (header.kind, header.scope) = match (self.is_local(), self.to.is_ipv4()) {
            (true, true) => (RouteType::Local, RouteScope::Host),
            (true, false) => (RouteType::Local, RouteScope::Universe),
            (false, true) => (RouteType::Unicast, RouteScope::Link),
            (false, false) => (RouteType::Unicast, RouteScope::Universe),
        };
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(self.table));
        attributes.push(RouteAttribute::Destination(self.to.into()));
        attributes.push(RouteAttribute::Oif(self.index));
        attributes.push(RouteAttribute::Priority(self.metric));
        if !self.is_local() {
            attributes.push(RouteAttribute::PrefSource(self.to.into()));
        }
        message
    }
}

/// All routes that a director added, also those of an earlier process. The kernel selects them by
/// the protocol, so that a full table of the internet costs no copy.
pub(super) fn all(requests: &mut Requests) -> io::Result<Vec<OwnRoute>> {
    let mut found = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut query = RouteMessage::default();
        query.header.address_family = family;
        query.header.protocol = RouteProtocol::Other(MARK);
        requests.list(libc::RTM_GETROUTE, &query, |kind, body| {
            if kind == libc::RTM_NEWROUTE && found.len() < MOST {
                found.extend(decode(body));
            }
        })?;
    }
    Ok(found)
}

/// `struct rtmsg`, and the attributes of interest.
fn decode(body: &[u8]) -> Option<OwnRoute> {
    let header = RouteHeader::parse(body).ok()?;
    // A kernel that does not select sends all of them.
    if header.protocol != RouteProtocol::Other(MARK) {
        return None;
    }
    let (mut to, mut metric, mut index) = (None, 0, 0);
    let mut table = u32::from(header.table);
    for attribute in NlasIterator::new(body.get(HEADER..)?) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            libc::RTA_DST => to = ip(value),
            libc::RTA_OIF => index = number(value, 0)?,
            libc::RTA_PRIORITY => metric = number(value, 0)?,
            libc::RTA_TABLE => table = number(value, 0)?,
            _ => {}
        }
    }
    Some(OwnRoute {
        to: to?,
        table,
        metric,
        index,
    })
}

const fn family(of: IpAddr) -> AddressFamily {
    match of {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
