//! A section of the file as settings of the state machine.

use std::net::IpAddr;

use vrrp::codec::AddressList;
use vrrp::machine::{Config, Member, Preempt};
use vrrp::{Family, Priority};

use super::place::Place;
use crate::state::failover::Failover;

/// A source for a router whose interface has none: it is faulty, and sends nothing.
const fn placeholder(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)),
    }
}

/// The settings of the machine.
pub(super) fn config(
    section: &Failover,
    places: &[Place],
    priority: Priority,
    is_synced: bool,
) -> Config {
    let members = section.routers.iter().enumerate().map(|(index, router)| {
        let place = places.get(index);
        let mut addresses = AddressList::new(router.family);
        for address in router.advertised() {
            // Addresses of another family are held, not advertised.
            let _ = addresses.push(address);
        }
        let source = place.and_then(|place| place.source);
        Member {
            version: router.version,
            router: router.id,
            interval: router.interval,
            source: source.unwrap_or_else(|| placeholder(router.family)),
            addresses,
            auth: router.auth,
            form: router.checksum,
            mtu: place.map_or(1500, |place| place.mtu).max(576),
        }
    });
    Config {
        priority,
        preempt: match section.synced {
            Some(_) if is_synced => Preempt::default(),
            _ => section.preempt,
        },
        startup_delay: section.startup,
        linger: section.linger,
        stall: None,
        members: members.collect(),
    }
}
