//! What a section hears.

use std::net::IpAddr;
use std::sync::Arc;

use vrrp::codec::{Datagram, DecodeError, Expect};
use vrrp::machine::{Fate, Input, State};

use super::{QUIET, Router, Way};
use crate::control::event::EventKind;
use crate::failover::holder::Order;
use crate::failover::sockets::Key;
use crate::failover::wary::Wary;

impl Router {
    /// The member to which messages for this id on this socket belong.
    pub(in crate::failover) fn member(&self, key: &Key, id: u8) -> Option<usize> {
        self.section.routers.iter().position(|router| {
            router.id.get() == id && router.interface == key.0 && router.family == key.1
        })
    }

    /// A message for one of its members.
    pub(in crate::failover) fn receive(
        &mut self,
        member: usize,
        datagram: &Datagram<'_>,
        way: &Way<'_>,
    ) {
        let (Some(router), Some(place)) =
            (self.section.routers.get(member), self.places.get(member))
        else {
            return;
        };
        let peers: &[IpAddr] = &router.peers;
        let expect = Expect {
            interval: router.interval,
            auth: router.auth,
            own: &place.own,
            peers,
            least_hop_limit: router.least_hop_limit,
            ..Expect::new(router.version, router.family, router.id)
        };
        match expect.decode(datagram) {
            Ok(received) => {
                // It understands the others.
                self.wary = self.wary.take().filter(|wary| wary.fault().is_some());
                let fate = self
                    .machine
                    .receive(way.now, member, &received, &mut self.actions);
                if self.leftover && self.machine.state() != State::Active && fate != Fate::Own {
                    // Another router is active: what the earlier process left is its now.
                    self.leftover = false;
                    way.holder
                        .send(Order::Release(Arc::clone(&self.section.name)));
                }
            }
            Err(error) => {
                self.overhear(member, datagram, Some(error), way);
                self.discard(member, error, datagram.source, way);
            }
        }
        self.act(way);
    }

    /// A message for no id of this machine.
    pub(in crate::failover) fn foreign(
        &mut self,
        key: &Key,
        datagram: &Datagram<'_>,
        way: &Way<'_>,
    ) {
        if self.wary.is_none() {
            return;
        }
        let routers = self.section.routers.iter();
        let on = routers.map(|router| router.interface == key.0 && router.family == key.1);
        for (member, is_on) in on.collect::<Vec<_>>().into_iter().enumerate() {
            if is_on {
                self.overhear(member, datagram, None, way);
            }
        }
    }

    fn overhear(
        &mut self,
        member: usize,
        datagram: &Datagram<'_>,
        error: Option<DecodeError>,
        way: &Way<'_>,
    ) {
        let (Some(wary), Some(router), Some(place)) = (
            &mut self.wary,
            self.section.routers.get(member),
            self.places.get(member),
        ) else {
            return;
        };
        self.alarmed |= wary.overhear(way.now, router, &place.own, datagram, error);
    }

    /// Whether its faults have to be looked at again.
    pub(in crate::failover) fn take_alarm(&mut self) -> bool {
        std::mem::take(&mut self.alarmed)
    }

    /// The first verdicts are in.
    pub(in crate::failover) fn ready(&mut self, way: &Way<'_>) {
        if self.wary.as_mut().is_none_or(Wary::is_ready) {
            self.handle(Input::Ready, way);
        }
    }

    /// What a wary section waits for.
    pub(super) fn look_out(&mut self, way: &Way<'_>) {
        if self.machine.state() == State::Active {
            self.wary = None;
        }
        let Some(lapse) = self.wary.as_mut().map(|wary| wary.tick(way.now)) else {
            return;
        };
        self.alarmed |= lapse.changed;
        if lapse.ready {
            self.handle(Input::Ready, way);
        }
    }

    fn discard(&mut self, member: usize, error: DecodeError, source: IpAddr, way: &Way<'_>) {
        self.machine.discard(way.now, member, error);
        let quiet = self.quiet.entry(error.kind()).or_default();
        if way.now < *quiet {
            return;
        }
        *quiet = way.now + QUIET;
        let router = self.section.routers.get(member);
        let (id, interface) = router.map_or((0, ""), |r| (r.id.get(), &*r.interface));
        let text = format!("discards adverts of {source} for id {id} on {interface}: {error}");
        self.event(EventKind::FailoverPeer, text, way);
    }
}
