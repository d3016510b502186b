//! The addresses of one section of the service file, and what has to happen to them when.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::state::failover::{Announce, Failover, Held, OnDeath, Route, VirtualAddress};
use vrrp::{Family, Interval};

/// Peers of version 3 adopt this interval, at least, from the last advert of a process that ends,
/// and wait three times as long for the next process.
pub(in crate::failover) const BRIDGE: Interval = Interval::SECOND;

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) interface: Arc<str>,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) label: Option<Arc<str>>,
}

/// What the holder has to know about a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::failover) struct Holding {
    pub(in crate::failover) name: Arc<str>,
    /// `[address.NAME]`: held as long as the daemon runs, by no state machine.
    pub(in crate::failover) always: bool,
    pub(in crate::failover) places: Vec<Place>,
    pub(in crate::failover) routes: Vec<Route>,
    /// How long the kernel keeps an address without being asked again, in seconds; `None`: for
    /// good.
    pub(in crate::failover) lease: Option<u32>,
    pub(in crate::failover) announce: Announce,
    /// Whether the machine's programs get what no service takes.
    pub(in crate::failover) accept: bool,
    /// The interfaces with virtual MAC addresses, on which its addresses are.
    pub(in crate::failover) links: Vec<VirtualLink>,
}

/// An interface with a virtual MAC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::failover) struct VirtualLink {
    pub(in crate::failover) name: Arc<str>,
    pub(in crate::failover) mac: [u8; 6],
    /// The interface on which it is made.
    pub(in crate::failover) parent: Arc<str>,
    pub(in crate::failover) is_v6: bool,
}

impl Holding {
    pub(in crate::failover) fn of_failover(section: &Failover) -> Self {
        let routers = section.routers.iter();
        let places = routers
            .flat_map(|router| {
                let interface = router.virtual_interface();
                places(
                    interface.as_ref().unwrap_or(&router.interface),
                    &router.addresses,
                )
                .collect::<Vec<_>>()
            })
            .collect();
        let links = section.routers.iter().filter_map(|router| {
            Some(VirtualLink {
                name: router.virtual_interface()?,
                mac: router.mac(),
                parent: Arc::clone(&router.interface),
                is_v6: router.family == Family::V6,
            })
        });
        let routes = section.routers.iter().flat_map(|router| &router.routes);
        Self {
            name: Arc::clone(&section.name),
            routes: routes.cloned().collect(),
            always: false,
            places,
            lease: (section.on_death == OnDeath::Release).then(|| lease(section)),
            announce: section.announce,
            accept: section.accept,
            links: links.collect(),
        }
    }

    pub(in crate::failover) fn of_held(section: &Held) -> Self {
        Self {
            name: Arc::clone(&section.name),
            always: true,
            routes: section.routes.clone(),
            places: places(&section.interface, &section.addresses).collect(),
            lease: (section.on_death == OnDeath::Release).then_some(LEAST_LEASE),
            announce: section.announce,
            accept: true,
            links: Vec::new(),
        }
    }
}

fn places<'s>(
    interface: &'s Arc<str>,
    addresses: &'s [VirtualAddress],
) -> impl Iterator<Item = Place> + 's {
    addresses.iter().map(move |held| Place {
        interface: Arc::clone(held.interface.as_ref().unwrap_or(interface)),
        address: held.address,
        prefix: held.prefix,
        label: held.label.clone(),
    })
}

/// A restart by systemd takes about a second; the kernel counts in whole ones.
const LEAST_LEASE: u32 = 6;

/// It outlives the `Active_Down_Interval` of the peers: when a process ends without a word, the
/// peer takes over while this machine still forwards, and no packet is lost.
fn lease(section: &Failover) -> u32 {
    let intervals = section.routers.iter().map(|router| router.interval);
    let claim = intervals.max().unwrap_or(BRIDGE).max(BRIDGE).duration() * 4;
    u32::try_from(claim.as_secs() + 2).map_or(u32::MAX, |lease| lease.max(LEAST_LEASE))
}

/// The time between the repetitions of one burst.
const REPEAT: Duration = Duration::from_millis(100);

/// When the addresses of a section are announced next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Schedule {
    next: Option<Duration>,
    left: u32,
    second: Option<Duration>,
}

impl Schedule {
    /// A takeover, or a resolved conflict: a burst now, and another one later for those that
    /// missed it.
    pub(super) fn begin(&mut self, now: Duration, announce: &Announce) {
        self.next = Some(now);
        self.left = announce.first.max(1);
        self.second = (announce.second > 0).then_some(now + announce.after);
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn next(&self) -> Option<Duration> {
        self.next
    }

    /// Whether to announce now. Moves on to the next time.
    pub(super) fn is_due(&mut self, now: Duration, announce: &Announce) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.next = if self.left > 0 {
            Some(now + REPEAT)
        } else if let Some(second) = self.second.take() {
            self.left = announce.second;
            Some(second.max(now + REPEAT))
        } else {
            self.left = 1;
            announce.refresh.map(|pause| now + pause.max(REPEAT))
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bursts_and_then_one_at_a_time() {
        let announce = Announce {
            first: 2,
            second: 3,
            after: Duration::from_secs(5),
            refresh: Some(Duration::from_secs(60)),
        };
        let mut schedule = Schedule::default();
        assert!(!schedule.is_due(Duration::ZERO, &announce));
        schedule.begin(Duration::from_secs(1), &announce);
        let mut sent = Vec::new();
        while let Some(next) = schedule.next().filter(|_| sent.len() < 7) {
            assert!(schedule.is_due(next, &announce));
            assert!(!schedule.is_due(next, &announce));
            sent.push(next.as_millis());
        }
        assert_eq!(sent, [1000, 1100, 6000, 6100, 6200, 66_200, 126_200]);
        schedule.end();
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn without_a_second_burst_and_without_a_refresh_it_ends() {
        let announce = Announce {
            first: 1,
            second: 0,
            after: Duration::ZERO,
            refresh: None,
        };
        let mut schedule = Schedule::default();
        schedule.begin(Duration::ZERO, &announce);
        assert!(schedule.is_due(Duration::ZERO, &announce));
        assert_eq!(schedule.next(), None);
    }
}
