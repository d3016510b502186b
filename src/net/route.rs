//! The routes of the machine, and the one to an address.

use std::net::IpAddr;

use nix::errno::Errno;

use super::attribute::{INET, INET6, address, append_address, for_each_attribute, number};
use super::error::{NetError, Question};
use super::socket::{Request, RouteSocket};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// `struct rtmsg`: family, length of the destination's prefix, of the source's, TOS, table,
/// protocol, scope, kind; flags.
const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTNH_F_DEAD: u32 = 1;
const RTM_F_CLONED: u32 = 0x200;

/// A route of some routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The number of the table: 255 local, 254 main, 253 default.
    pub table: u32,
    /// Where it leads.
    pub destination: IpAddr,
    /// How many bits of the destination count.
    pub prefix_length: u8,
    /// What becomes of packets on it.
    pub kind: RouteKind,
    /// The index of the interface by which they leave; `None` where there are several, or none.
    pub interface: Option<u32>,
    /// Whether they go to another router first, or to several.
    pub gateway: bool,
    /// Of two to the same destination that with the smaller metric is used.
    pub metric: u32,
}

/// What becomes of packets (`RTN_*` in `linux/rtnetlink.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// They are sent on.
    Unicast,
    /// They are for this machine.
    Local,
    /// They are dropped, with an answer or without: unreachable, prohibit, blackhole.
    Refused,
    /// Another table decides.
    Throw,
    /// Broadcast, multicast, anycast, and what else there may be.
    Other,
}

impl RouteSocket {
    /// All routes of all tables, IPv4 and IPv6.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::TooMany`] when there are more than `limit`.
    pub fn routes(&mut self, limit: usize) -> Result<Vec<Route>, NetError> {
        let request = Request {
            kind: RTM_GETROUTE,
            body: &[0; HEADER],
            answer: RTM_NEWROUTE,
        };
        let found = self.dump(Question::Routes, &request, limit, decode)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The route by which the kernel would send a packet to an address: with its rules, all its
    /// tables and whatever else it considers. `None` when there is none.
    ///
    /// # Errors
    /// [`NetError`]
    pub fn route_to(&mut self, destination: IpAddr) -> Result<Option<Route>, NetError> {
        let (family, bits) = match destination {
            IpAddr::V4(_) => (INET, 32),
            IpAddr::V6(_) => (INET6, 128),
        };
        let mut body = vec![0; HEADER];
        body[..2].copy_from_slice(&[family, bits]);
        append_address(&mut body, RTA_DST, destination);
        let request = Request {
            kind: RTM_GETROUTE,
            body: &body,
            answer: RTM_NEWROUTE,
        };
        // The answer is a route made for the question, which for IPv6 counts as cloned.
        match self.ask(Question::Route, &request, decode_any)? {
            Ok(route) => Ok(route.filter(|route| route.kind != RouteKind::Refused)),
            // The answers of no route at all, and of the kinds that are refused:
            // `fib_props` in net/ipv4/fib_semantics.c, `ip6_rt_type_to_error` in net/ipv6/route.c.
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

/// A route message of a dump; inside, `None` for what is no route of IPv4 or IPv6 that is in use.
#[expect(
    clippy::option_option,
    reason = "not understood is not the same as not wanted"
)]
fn decode(message: &[u8]) -> Option<Option<Route>> {
    let flags = number(message.get(8..)?)?;
    if flags & (RTNH_F_DEAD | RTM_F_CLONED) != 0 {
        return Some(None);
    }
    decode_any(message)
}

#[expect(
    clippy::option_option,
    reason = "not understood is not the same as not wanted"
)]
fn decode_any(message: &[u8]) -> Option<Option<Route>> {
    let &[family, prefix_length, _, _, table, _, _, kind, ..] = message else {
        return None;
    };
    let (unspecified, bits) = match family {
        INET => (IpAddr::from([0; 4]), 32),
        INET6 => (IpAddr::from([0; 16]), 128),
        _ => return Some(None),
    };
    if prefix_length > bits {
        return None;
    }
    let mut route = Route {
        table: table.into(),
        destination: unspecified,
        prefix_length,
        kind: match kind {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            6..=8 => RouteKind::Refused,
            9 => RouteKind::Throw,
            _ => RouteKind::Other,
        },
        interface: None,
        gateway: false,
        metric: 0,
    };
    for_each_attribute(message, HEADER, |kind, value| {
        match kind {
            RTA_DST => route.destination = address(family, value)?,
            RTA_OIF => route.interface = Some(number(value)?),
            RTA_GATEWAY | RTA_VIA | RTA_MULTIPATH => route.gateway = true,
            RTA_PRIORITY => route.metric = number(value)?,
            RTA_TABLE => route.table = number(value)?,
            _ => {}
        }
        Some(())
    })?;
    Some(Some(route))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10.2.0.0/16 via 10.1.0.254 by interface 3, table 1000, metric 50.
    fn message() -> Vec<u8> {
        let mut message = vec![INET, 16, 0, 0, 252, 3, 0, 1, 0, 0, 0, 0];
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
}
