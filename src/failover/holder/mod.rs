//! Holds addresses: puts them on interfaces, renews them before the kernel removes them, puts them
//! back when another program removes them, and announces them.
//!
//! A thread of its own. A change of an address waits for the kernel's lock of network
//! configuration (`rtnl_mutex`), which other programs can hold for seconds; adverts must not.
//!
//! - **An address is a lease** (`valid_lft`): the kernel removes it some seconds after this thread
//!   stopped renewing it, whatever ended the process.
//! - **The kernel says whose it is** (`IFA_PROTO`): ours carry VRRP's number. Others are never
//!   touched, even if the service file names the same address.

mod accept;
mod announce;
mod netlink;
mod putting;
mod routes;
mod section;
mod table;
mod virtual_mac;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};

use super::clock::{now, timeout};
use super::wake::{Inbox, Post};
use crate::state::failover::Route;
use accept::Filter;
use announce::Announcer;
use netlink::LEFT;
use section::Schedule;
use virtual_mac::VirtualMacs;

pub(crate) use netlink::{Address, Link, Monitor, News, Requests, ip, number};
pub(crate) use section::Place;
pub(super) use section::{BRIDGE, Holding};
pub(crate) use table::Table;
pub(super) use table::View;

/// The time between two renewals of a lease.
const RENEW: Duration = Duration::from_secs(1);

/// Without a sign of life of the thread that sends adverts, for so long, leases are not renewed.
const SILENT: Duration = Duration::from_secs(3);

/// An address that others removed this often within [`CONTESTED`] is handed over.
const OFTEN: u32 = 5;
const CONTESTED: Duration = Duration::from_secs(60);

/// The time between two attempts to drop what no service takes.
const UNFILTERED: Duration = Duration::from_secs(60);

/// Datagrams of news and orders handled in one round.
const ROUND: usize = 64;

/// What the holder should do.
#[derive(Debug)]
pub(super) enum Order {
    /// Replaces all sections. What is held and still declared stays.
    Declare(Vec<Holding>),
    Take(Arc<str>),
    Announce(Arc<str>),
    /// Keep the addresses, but announce them no more.
    Linger(Arc<str>),
    Release(Arc<str>),
    /// Drop packets to its addresses that no service takes, or no longer.
    Shield(Arc<str>, bool),
    /// End. `keep`: leave what is held to the next process, or to its end.
    Stop {
        keep: bool,
    },
}

/// What the holder reports.
#[derive(Debug)]
pub(super) enum Report {
    /// The interfaces and their addresses have changed; for the first time: all is known.
    Interfaces(View),
    /// What earlier processes left of a section: how long ago it was renewed.
    Found { section: Arc<str>, left: Remnant },
    /// All addresses of a section are in place; `foreign` of them belong to others.
    Taken {
        section: Arc<str>,
        foreign: Vec<IpAddr>,
    },
    /// Another program removed an address; it is back, unless `give_up`.
    Restored {
        section: Arc<str>,
        place: Place,
        give_up: bool,
    },
    /// An address or a route cannot be added or removed.
    Failed { section: Arc<str>, why: String },
}

/// Addresses that an earlier process left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remnant {
    /// The time since they were renewed; `None`: unknown, as they are there for good.
    pub(super) age: Option<Duration>,
    /// Whether that process ended on purpose.
    pub(super) on_purpose: bool,
}

#[derive(Debug)]
struct Section {
    holding: Holding,
    held: bool,
    schedule: Schedule,
    /// For a while, nothing of its addresses reaches the machine's programs.
    shielded: bool,
    /// Removals by others: since when, how many.
    removed: (Duration, u32),
    /// Failures that were reported, by address, until they succeed.
    failing: BTreeMap<IpAddr, String>,
    /// The same for routes.
    failing_route: Option<String>,
}

/// The thread.
pub(super) struct Holder {
    inbox: Inbox<Order>,
    tell: Box<dyn Fn(Report) + Send>,
    monitor: Monitor,
    requests: Requests,
    announcer: Announcer,
    filter: Filter,
    virtual_macs: VirtualMacs,
    /// Why the filter is not in force, and when it is tried again.
    unfiltered: Option<(String, Duration)>,
    table: Table,
    sections: BTreeMap<Arc<str>, Section>,
    renew_at: Duration,
    /// When the thread that sends adverts was last alive, in milliseconds since boot.
    pulse: Arc<AtomicU64>,
    declared: bool,
}

impl Holder {
    /// Starts the thread.
    pub(super) fn start(
        inbox: Inbox<Order>,
        pulse: Arc<AtomicU64>,
        tell: impl Fn(Report) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let mut holder = Self {
            inbox,
            tell: Box::new(tell),
            monitor: Monitor::open()?,
            requests: Requests::open()?,
            announcer: Announcer::open()?,
            filter: Filter::default(),
            virtual_macs: VirtualMacs::default(),
            unfiltered: None,
            table: Table::default(),
            sections: BTreeMap::new(),
            renew_at: now() + RENEW,
            pulse,
            declared: false,
        };
        thread::Builder::new()
            .name("addresses".to_owned())
            .spawn(move || holder.run())
    }

    fn run(&mut self) {
        self.read_everything();
        loop {
            let start = now();
            let next = self.next();
            let mut waits = [
                PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.monitor.as_fd(), PollFlags::POLLIN),
            ];
            // EINTR is a round without news.
            let _ = poll(&mut waits, timeout(start, next));
            for order in self.inbox.take(ROUND) {
                if let Order::Stop { keep } = order {
                    self.stop(keep);
                    return;
                }
                self.carry_out(order);
            }
            self.hear();
            self.renew(now());
            self.announce_due();
        }
    }

    /// When something is due.
    fn next(&self) -> Option<Duration> {
        let sections = self.sections.values();
        let announce = sections.filter_map(|section| section.schedule.next()).min();
        let renews = self.sections.values().any(|section| section.held);
        announce
            .into_iter()
            .chain(renews.then_some(self.renew_at))
            .min()
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Declare(holdings) => self.declare(holdings),
            Order::Take(name) => self.take(&name),
            Order::Announce(name) => {
                if let Some(section) = self.sections.get_mut(&name) {
                    section.schedule.begin(now(), &section.holding.announce);
                }
                self.announce_due();
            }
            Order::Linger(name) => {
                if let Some(section) = self.sections.get_mut(&name) {
                    section.schedule.end();
                }
            }
            Order::Release(name) => self.release(&name),
            Order::Shield(name, up) => {
                if let Some(section) = self.sections.get_mut(&name) {
                    section.shielded = up;
                    self.filter();
                }
            }
            Order::Stop { .. } => {}
        }
    }

    /// Another set of sections: removes what is no longer declared, reports what was found.
    fn declare(&mut self, holdings: Vec<Holding>) {
        let mut before = std::mem::take(&mut self.sections);
        let (mut always, mut changed, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for holding in holdings {
            let name = Arc::clone(&holding.name);
            let old = before.remove(&name);
            if old
                .as_ref()
                .is_some_and(|old| old.held && old.holding != holding)
            {
                changed.push(Arc::clone(&name));
            }
            if holding.always {
                always.push(Arc::clone(&name));
            } else if old.is_none()
                && let Some(left) = self.remnant(&holding)
            {
                (self.tell)(Report::Found {
                    section: Arc::clone(&name),
                    left,
                });
            }
            if let Some(old) = &old {
                let stays = |route: &&Route| holding.routes.contains(route);
                for route in old.holding.routes.iter().filter(|route| !stays(route)) {
                    let _ = self.requests.remove_route(route, &self.table);
                }
            } else if !holding.always && self.remnant(&holding).is_none() {
                new.push(Arc::clone(&name));
            }
            let section = match old {
                Some(old) => Section { holding, ..old },
                None => Section {
                    holding,
                    held: false,
                    schedule: Schedule::default(),
                    shielded: false,
                    removed: (Duration::ZERO, 0),
                    failing: BTreeMap::new(),
                    failing_route: None,
                },
            };
            self.sections.insert(name, section);
        }
        for old in before.values() {
            for route in &old.holding.routes {
                // Of a section that is no longer declared: it is gone, or was not there.
                let _ = self.requests.remove_route(route, &self.table);
            }
        }
        for name in new {
            self.remove_routes(&name);
            self.lower_links(&name);
        }
        self.filter();
        self.make_links();
        self.remove_undeclared();
        self.declared = true;
        for name in changed {
            self.put(&name);
            self.carry_out(Order::Announce(name));
        }
        for name in always {
            let is_new = self
                .sections
                .get(&name)
                .is_some_and(|section| !section.held);
            self.take(&name);
            if is_new {
                self.carry_out(Order::Announce(name));
            }
        }
        self.remove_links(|_| true);
        (self.tell)(Report::Interfaces(self.view()));
    }

    /// The interfaces, and those that cannot be made.
    fn view(&self) -> View {
        View {
            refused: self.virtual_macs.refused.clone(),
            ..self.table.view()
        }
    }

    /// Drops what no service takes, for sections that want it.
    fn filter(&mut self) {
        let closed = self.sections.iter().filter(|(_, one)| !one.holding.accept);
        let shut = self.sections.values();
        let shut = shut.filter(|one| !one.holding.accept || one.shielded);
        let places = shut.flat_map(|one| &one.holding.places);
        let wanted = places.map(|place| place.address).collect();
        let Err(why) = self.filter.adjust(&wanted) else {
            self.unfiltered = None;
            return;
        };
        // A shield is for seconds, and is not missed without `nft`.
        if closed.clone().next().is_none() {
            return;
        }
        let before = self.unfiltered.as_ref().map(|(before, _)| before);
        if before != Some(&why) {
            for (name, _) in closed {
                (self.tell)(Report::Failed {
                    section: Arc::clone(name),
                    why: format!(
                        "`accept = false` is not in force: {why}; packets to its addresses that no \
                         service takes reach this machine's programs"
                    ),
                });
            }
        }
        self.unfiltered = Some((why, now() + UNFILTERED));
    }

    /// What an earlier process left of a section: all of it, or it has left nothing.
    fn remnant(&self, holding: &Holding) -> Option<Remnant> {
        let mut remnant: Option<Remnant> = None;
        for place in &holding.places {
            let found = self.table.at(place)?;
            if !found.is_ours() {
                continue;
            }
            let age = found
                .valid
                .zip(holding.lease)
                .map(|(valid, lease)| Duration::from_secs(lease.saturating_sub(valid).into()));
            let on_purpose = found.proto == LEFT;
            remnant = Some(match remnant {
                None => Remnant { age, on_purpose },
                Some(other) => Remnant {
                    age: age.max(other.age),
                    on_purpose: on_purpose && other.on_purpose,
                },
            });
        }
        remnant
    }

    /// Ours that no section declares: what an earlier process, or an earlier file, had. Such an
    /// address of a section that is declared stays until that has decided.
    fn remove_undeclared(&mut self) {
        let ours: Vec<Address> = self.table.ours().copied().collect();
        for address in ours {
            let is_declared = self.sections.values().any(|section| {
                section
                    .holding
                    .places
                    .iter()
                    .any(|place| self.table.is_at(&address, place))
            });
            if !is_declared {
                let removed = self
                    .requests
                    .remove(address.index, address.address, address.prefix);
                if removed.is_ok() {
                    self.table.forget(&address);
                }
            }
        }
    }

    /// News of the kernel: the table follows, removed addresses come back.
    fn hear(&mut self) {
        let mut news = Vec::new();
        self.monitor.hear(ROUND, |one| news.push(one));
        if news.is_empty() {
            return;
        }
        if news.contains(&News::Lost) {
            self.read_everything();
            return;
        }
        let mut changed = false;
        let mut links = false;
        let mut gone = Vec::new();
        for one in news {
            links |= matches!(one, News::Link(_) | News::LinkGone(_));
            if let News::AddressGone(address) = &one {
                gone.push(*address);
            }
            changed |= self.table.apply(one);
        }
        if links && changed {
            self.announcer.refresh();
        }
        for address in gone {
            self.restore(&address);
        }
        if changed {
            if links {
                // An interface that came back, perhaps as another one.
                self.make_links();
                self.put_held();
            }
            (self.tell)(Report::Interfaces(self.view()));
        }
    }

    /// One of our addresses is gone. If its section holds it, another program removed it.
    fn restore(&mut self, gone: &Address) {
        let table = &self.table;
        let found = self.sections.iter_mut().find_map(|(name, section)| {
            let mut places = section.holding.places.iter();
            let place = places.find(|place| table.was_at(gone, place))?.clone();
            section.held.then_some((Arc::clone(name), section, place))
        });
        let Some((name, section, place)) = found else {
            return;
        };
        // It came back in the meantime; or its interface is down or gone, and will be told.
        if table.at(&place).is_some() || table.link(&place.interface).is_none_or(|link| !link.up) {
            return;
        }
        let now = now();
        if now.saturating_sub(section.removed.0) > CONTESTED {
            section.removed = (now, 0);
        }
        section.removed.1 += 1;
        let give_up = section.removed.1 >= OFTEN && !section.holding.always;
        if give_up {
            section.removed = (now, 0);
        }
        self.put(&name);
        self.carry_out(Order::Announce(Arc::clone(&name)));
        (self.tell)(Report::Restored {
            section: name,
            place,
            give_up,
        });
    }

    /// Renews all leases, unless the thread that decides does not run.
    fn renew(&mut self, now: Duration) {
        if now < self.renew_at {
            return;
        }
        self.renew_at = now + RENEW;
        if self.unfiltered.as_ref().is_some_and(|(_, at)| *at <= now) {
            self.filter();
        }
        let pulse = Duration::from_millis(self.pulse.load(Ordering::Relaxed));
        let alive = now.saturating_sub(pulse) < SILENT;
        let sections = self.sections.iter();
        let due = sections.filter(|(_, section)| {
            let failing = !section.failing.is_empty() || section.failing_route.is_some();
            section.held
                && (section.holding.lease.is_some() || failing)
                && (alive || section.holding.always)
        });
        let due: Vec<Arc<str>> = due.map(|(name, _)| Arc::clone(name)).collect();
        for name in due {
            self.put(&name);
        }
    }

    fn announce_due(&mut self) {
        let now = now();
        for section in self.sections.values_mut() {
            if !section.held || !section.schedule.is_due(now, &section.holding.announce) {
                continue;
            }
            for place in &section.holding.places {
                let Some(link) = self.table.link(&place.interface) else {
                    continue;
                };
                if let Some(mac) = link.mac {
                    // The next one of the burst is the retry.
                    let _ = self.announcer.announce(link.index, mac, place.address);
                }
            }
        }
    }

    fn read_everything(&mut self) {
        match self.requests.everything() {
            Ok(all) => {
                self.table = Table::default();
                for one in all {
                    self.table.apply(one);
                }
            }
            // The next news brings the next attempt.
            Err(error) => tracing::warn!("cannot read interfaces and addresses: {error}"),
        }
        self.announcer.refresh();
        if self.declared {
            self.make_links();
            self.put_held();
            (self.tell)(Report::Interfaces(self.view()));
        }
    }

    fn stop(&mut self, keep: bool) {
        if !keep {
            let _ = self.filter.adjust(&BTreeSet::new());
        }
        let names: Vec<Arc<str>> = self.sections.keys().map(Arc::clone).collect();
        for name in names {
            let Some(section) = self.sections.get(&name).filter(|section| section.held) else {
                continue;
            };
            if !keep {
                self.release(&name);
                continue;
            }
            let places = section.holding.places.clone();
            let lease = section.holding.lease;
            for place in places {
                let is_ours = self.table.at(&place).is_none_or(Address::is_ours);
                if let Some(link) = self.table.link(&place.interface).filter(|_| is_ours) {
                    let _ = self.requests.lease(link.index, &place, lease, LEFT);
                }
            }
        }
        // Those of sections that the next process goes on with stay.
        self.remove_links(|section| keep && section.held);
    }
}

/// A way to give orders to the holder.
pub(super) type Orders = Post<Order>;
