//! The machine's routes, and the route to an address.

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NlasIterator, ParseableParametrized};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType, RouteMessage,
    RouteType,
};
use nix::errno::Errno;
use nix::libc::{
    RTA_DST, RTA_GATEWAY, RTA_MULTIPATH, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTA_VIA, RTM_GETROUTE,
    RTM_NEWROUTE,
};

use super::error::{NetError, Question};
use super::socket::{Request, RouteSocket};

/// A route of a routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The number of the table: 255 local, 254 main, 253 default.
    pub table: u32,
    /// The destination network.
    pub destination: IpAddr,
    /// The number of significant bits of the destination.
    pub prefix_length: u8,
    /// What happens to packets on it.
    pub kind: RouteKind,
    /// The index of the outgoing interface; `None` if there are several or none.
    pub interface: Option<u32>,
    /// Whether packets go to one or several gateways first.
    pub gateway: bool,
    /// Of two routes to the same destination, the kernel uses the one with the smaller metric.
    pub metric: u32,
}

/// What happens to packets (`RTN_*` in `linux/rtnetlink.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Forwarded.
    Unicast,
    /// Delivered to this machine.
    Local,
    /// Dropped, with or without an error to the sender: unreachable, prohibit, blackhole.
    Refused,
    /// Decided by another table.
    Throw,
    /// Broadcast, multicast, anycast and other kinds.
    Other,
}

impl RouteSocket {
    /// All routes of all tables, IPv4 and IPv6.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::TooMany`] if there are more than `limit`.
    pub fn routes(&mut self, limit: usize) -> Result<Vec<Route>, NetError> {
        let request = Request {
            kind: RTM_GETROUTE,
            body: &RouteMessage::default(),
            answer: RTM_NEWROUTE,
        };
        let found = self.dump(Question::Routes, &request, limit, decode)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The route by which the kernel would send a packet to an address, including its rules, all
    /// tables and everything else it considers. `None` if there is none.
    ///
    /// # Errors
    /// Any [`NetError`].
    pub fn route_to(&mut self, destination: IpAddr) -> Result<Option<Route>, NetError> {
        let (family, bits, destination) = match destination {
            IpAddr::V4(address) => (AddressFamily::Inet, 32, RouteAddress::Inet(address)),
            IpAddr::V6(address) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(address)),
        };
        let mut body = RouteMessage::default();
        body.header.address_family = family;
        body.header.destination_prefix_length = bits;
        body.attributes
            .push(RouteAttribute::Destination(destination));
        let request = Request {
            kind: RTM_GETROUTE,
            body: &body,
            answer: RTM_NEWROUTE,
        };
        // The answer is a route made for the query, which counts as cloned for IPv6.
        match self.ask(Question::Route, &request, decode_any)? {
            Ok(route) => Ok(route.filter(|route| route.kind != RouteKind::Refused)),
            // The errors for no route and for refused kinds: `fib_props` in
            // net/ipv4/fib_semantics.c, `ip6_rt_type_to_error` in net/ipv6/route.c.
            Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL) => {
                Ok(None)
            }
            Err(errno) => Err(NetError::Refused {
                question: Question::Route,
                errno,
            }),
        }
    }
}

/// A route message of a dump; the inner `None` means anything but an IPv4 or IPv6 route in use.
#[expect(
    clippy::option_option,
    reason = "not understood is not the same as not wanted"
)]
fn decode(message: &[u8]) -> Option<Option<Route>> {
    let header = RouteHeader::parse(message).ok()?;
    if header
        .flags
        .intersects(RouteFlags::Dead | RouteFlags::Cloned)
    {
        return Some(None);
    }
    decode_any(message)
}

#[expect(
    clippy::option_option,
    reason = "not understood is not the same as not wanted"
)]
fn decode_any(message: &[u8]) -> Option<Option<Route>> {
    let header = RouteHeader::parse(message).ok()?;
    let (unspecified, bits) = match header.address_family {
        AddressFamily::Inet => (IpAddr::from([0; 4]), 32),
        AddressFamily::Inet6 => (IpAddr::from([0; 16]), 128),
        _ => return Some(None),
    };
    if header.destination_prefix_length > bits {
        return None;
    }
    let mut route = Route {
        table: header.table.into(),
        destination: unspecified,
        prefix_length: header.destination_prefix_length,
        kind: match header.kind {
            RouteType::Unicast => RouteKind::Unicast,
            RouteType::Local => RouteKind::Local,
            RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => {
                RouteKind::Refused
            }
            RouteType::Throw => RouteKind::Throw,
            _ => RouteKind::Other,
        },
        interface: None,
        gateway: false,
        metric: 0,
    };
    // The type of encapsulation matters only to its own attribute.
    let about = (
        header.address_family,
        header.kind,
        RouteLwEnCapType::default(),
    );
    for attribute in NlasIterator::new(message.get(header.buffer_len()..)?) {
        let attribute = attribute.ok()?;
        match attribute.kind() {
            RTA_DST | RTA_OIF | RTA_PRIORITY | RTA_TABLE => {}
            RTA_GATEWAY | RTA_VIA | RTA_MULTIPATH => {
                route.gateway = true;
                continue;
            }
            _ => continue,
        }
        match RouteAttribute::parse_with_param(&attribute, about).ok()? {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                route.destination = address.into();
            }
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
                route.destination = address.into();
            }
            RouteAttribute::Oif(interface) => route.interface = Some(interface),
            RouteAttribute::Priority(metric) => route.metric = metric,
            RouteAttribute::Table(table) => route.table = table,
            _ => {}
        }
    }
    Some(Some(route))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10.2.0.0/16 via 10.1.0.254 by interface 3, table 1000, metric 50.
    fn message() -> Vec<u8> {
        let mut message = vec![
            AddressFamily::Inet.into(),
            16,
            0,
            0,
            252,
            3,
            0,
            1,
            0,
            0,
            0,
            0,
        ];
        let attributes: [(u16, [u8; 4]); 5] = [
            (RTA_TABLE, 1000_u32.to_ne_bytes()),
            (RTA_DST, [10, 2, 0, 0]),
            (RTA_GATEWAY, [10, 1, 0, 254]),
            (RTA_OIF, 3_u32.to_ne_bytes()),
            (RTA_PRIORITY, 50_u32.to_ne_bytes()),
        ];
        for (kind, value) in attributes {
            message.extend(8_u16.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value);
        }
        message
    }

    #[test]
    fn a_route_is_decoded() {
        let route = Route {
            table: 1000,
            destination: [10, 2, 0, 0].into(),
            prefix_length: 16,
            kind: RouteKind::Unicast,
            interface: Some(3),
            gateway: true,
            metric: 50,
        };
        assert_eq!(decode(&message()), Some(Some(route)));
    }

    #[test]
    fn what_is_not_in_use_is_no_route() {
        for (place, value) in [(0, 28), (8, 1), (9, 2)] {
            let mut message = message();
            message[place] = value;
            if cfg!(target_endian = "little") {
                assert_eq!(decode(&message), Some(None), "byte {place}");
            }
        }
    }

    #[test]
    fn an_attribute_that_is_not_read_may_have_any_form() {
        let mut longer = message();
        // A truncated RTA_CACHEINFO.
        longer.extend(6_u16.to_ne_bytes());
        longer.extend(12_u16.to_ne_bytes());
        longer.extend([1, 2, 0, 0]);
        assert_eq!(decode(&longer), decode(&message()));
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let message = message();
        for length in 0..message.len() {
            let _ = decode(&message[..length]);
        }
        assert_eq!(decode(&message[..11]), None);
        let mut longer = message.clone();
        longer[1] = 33;
        assert_eq!(decode(&longer), None);
    }

    #[test]
    fn no_changed_byte_of_a_message_panics() {
        for place in 0..message().len() {
            for value in 0..=u8::MAX {
                let mut message = message();
                message[place] = value;
                let _ = decode(&message);
            }
        }
    }
}
