//! What a section sends.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use vrrp::codec::{EncodeError, MULTICAST_V4, MULTICAST_V6};
use vrrp::machine::State;
use vrrp::{Family, Priority, Version};

use super::{Router, Way};
use crate::failover::holder::BRIDGE;
use crate::state::failover::VirtualRouter;

impl Router {
    /// Sends an advert; with unicast to all peers. It fails if none can be sent.
    ///
    /// `last`: the last one of this process, which asks the peers for patience.
    pub(super) fn send(
        &self,
        member: usize,
        priority: Priority,
        last: bool,
        way: &Way<'_>,
    ) -> Result<(), String> {
        let (Some(router), Some(place)) =
            (self.section.routers.get(member), self.places.get(member))
        else {
            return Ok(());
        };
        let source = place
            .source
            .ok_or("the interface has no address to send from")?;
        let group = [match router.family {
            Family::V4 => IpAddr::from(MULTICAST_V4),
            Family::V6 => IpAddr::from(MULTICAST_V6),
        }];
        let to: &[IpAddr] = if router.peers.is_empty() {
            &group
        } else {
            &router.peers
        };
        let mut buffer = [0; 4200];
        let mut result = Ok(());
        let mut sent = false;
        for destination in to.iter().filter(|to| !place.own.contains(to)) {
            let length = if last {
                self.encode_last(member, priority, source, *destination, &mut buffer)
            } else {
                self.machine
                    .encode(member, priority, *destination, &mut buffer)
            };
            let length = length.map_err(|error| error.to_string())?;
            let message = buffer.get(..length).unwrap_or_default();
            match transmit(router, (source, *destination), message, way) {
                Ok(()) => sent = true,
                Err(error) => result = Err(format!("cannot send adverts: {error}")),
            }
        }
        if sent { Ok(()) } else { result }
    }

    fn encode_last(
        &self,
        member: usize,
        priority: Priority,
        source: IpAddr,
        destination: IpAddr,
        buffer: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let (Some(mut advert), Some(form)) = (
            self.machine.advert(member, priority),
            self.machine.checksum_form(member),
        ) else {
            return Ok(0);
        };
        if advert.version == Version::V3 {
            advert.interval = advert.interval.max(BRIDGE);
        }
        advert.encode_into(form, source, destination, buffer)
    }

    /// The process ends, and the next one may go on: no word to the peers but for patience.
    pub(in crate::failover) fn pause(&self, way: &Way<'_>) {
        if self.machine.state() != State::Active {
            return;
        }
        for member in 0..self.places.len() {
            let _ = self.send(member, self.machine.priority(), true, way);
        }
    }
}

/// Sends a message, by multicast with the virtual MAC address if there is one: RFC 9568, 7.2.
///
/// The first advert of a takeover comes before the interface of that address is up, and leaves with
/// the other one. Unicast always does: the kernel would ask for the peer's address with the virtual
/// MAC address as its own, and the peer would believe that.
fn transmit(
    router: &VirtualRouter,
    (source, destination): (IpAddr, IpAddr),
    message: &[u8],
    way: &Way<'_>,
) -> io::Result<()> {
    let interface = router.virtual_interface().filter(|_| !router.is_unicast());
    if let Some(interface) = interface {
        let key = (interface, router.family);
        if way.sockets.send(&key, source, destination, message).is_ok() {
            return Ok(());
        }
    }
    let key = (Arc::clone(&router.interface), router.family);
    way.sockets.send(&key, source, destination, message)
}
