//! The thread that announces: puts addresses and routes in place, renews them before the kernel
//! removes them, and puts back what other programs remove.
//!
//! A thread of its own, as a change of an address waits for the kernel's lock of network
//! configuration (`rtnl_mutex`), which other programs can hold for seconds.

mod put;
mod tidy;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};

use super::message::{Command, MARK, Position, Report};
use super::routes::OwnRoute;
use super::section::{self, Section};
use crate::failover::lease::{Address, Inbox, Monitor, News, Place, Requests, Table, now, timeout};
use crate::state::failover::{Announced, AnnouncedVia};

/// The time between two renewals.
const RENEW: Duration = Duration::from_secs(1);

/// How long the kernel keeps an address without being asked again, in seconds: a restart by systemd
/// takes about one.
const LEASE: u32 = 6;

/// A core that has been silent for this long may not know whether the services are healthy: leases are
/// not renewed.
const SILENT: Duration = Duration::from_secs(10);

/// Every this many renewals, local routes are put in place again.
const FULL: u32 = 5;

/// Datagrams of news and orders handled in one round.
const ROUND: usize = 64;

/// What the thread should do.
#[derive(Debug)]
pub(super) enum Order {
    Command(Command),
    /// End. `withdraw`: withdraw first, and wait until the addresses are not needed any more.
    Stop {
        withdraw: bool,
    },
}

/// The thread.
pub(super) struct Holder {
    inbox: Inbox<Order>,
    tell: Box<dyn Fn(Report) + Send>,
    monitor: Monitor,
    requests: Requests,
    table: Table,
    sections: BTreeMap<Arc<str>, Section>,
    /// Addresses with a local route, and until when; `None`: while they are announced.
    local: BTreeMap<IpAddr, Option<Duration>>,
    /// Interfaces that were in order before: whether their return is news.
    made: BTreeSet<Arc<str>>,
    renew_at: Duration,
    renewals: u32,
    /// When the core was last alive, in milliseconds since boot.
    pulse: Arc<AtomicU64>,
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
            table: Table::default(),
            sections: BTreeMap::new(),
            local: BTreeMap::new(),
            made: BTreeSet::new(),
            renew_at: now() + RENEW,
            renewals: 0,
            pulse,
        };
        thread::Builder::new()
            .name("announce".to_owned())
            .spawn(move || holder.run())
    }

    fn run(&mut self) {
        self.read_everything();
        loop {
            let start = now();
            let ends = self.local.values().flatten().min().copied();
            let next = ends.into_iter().chain([self.renew_at]).min();
            let mut waits = [
                PollFd::new(self.inbox.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.monitor.as_fd(), PollFlags::POLLIN),
            ];
            // EINTR is a round without news.
            let _ = poll(&mut waits, timeout(start, next));
            for order in self.inbox.take(ROUND) {
                match order {
                    Order::Command(Command::Declare(specs)) => self.declare(specs),
                    Order::Command(Command::Set { section, to }) => self.set(&section, to),
                    Order::Stop { withdraw } => {
                        self.stop(withdraw);
                        return;
                    }
                }
            }
            self.hear();
            self.renew(now());
            self.end_local(now());
        }
    }

    /// Another set of sections.
    fn declare(&mut self, specs: Vec<Arc<Announced>>) {
        let mut before = std::mem::take(&mut self.sections);
        let mut former = Vec::new();
        for spec in specs {
            let name = Arc::clone(&spec.name);
            let section = match before.remove(&name) {
                Some(mut old) => {
                    if old.spec != spec {
                        former.push((Arc::clone(&old.spec), old.is_held()));
                        old.spec = spec;
                        old.trouble = None;
                    }
                    old
                }
                None => {
                    let found = self.is_found(&spec);
                    Section::new(spec, found)
                }
            };
            self.sections.insert(name, section);
        }
        former.extend(
            before
                .into_values()
                .map(|old| (Arc::clone(&old.spec), old.is_held())),
        );
        for (old, was_held) in former {
            if was_held {
                self.leave(&old);
            }
        }
        self.remove_undeclared();
        let all: Vec<Arc<str>> = self.sections.keys().map(Arc::clone).collect();
        for name in &all {
            self.put(name, true);
        }
        self.remove_links();
        let found = self.sections.values();
        let found = found.filter(|section| section.found && section.decided.is_none());
        let found = found.map(|section| Arc::clone(&section.spec.name));
        (self.tell)(Report::Found(found.collect()));
    }

    /// Whether an earlier process announces it.
    fn is_found(&self, spec: &Announced) -> bool {
        let mut places = section::places(spec).into_iter();
        places.any(|place| self.ours_at(&place).is_some())
    }

    /// Our address at a place.
    fn ours_at(&self, place: &Place) -> Option<&Address> {
        self.table.at(place).filter(|found| found.proto == MARK)
    }

    fn held(&self) -> impl Iterator<Item = &Section> {
        self.sections.values().filter(|section| section.is_held())
    }

    /// The core has decided.
    fn set(&mut self, name: &Arc<str>, to: Position) {
        let Some(section) = self.sections.get_mut(name) else {
            return;
        };
        let is_new = section.decided.replace(to) != Some(to);
        let has_routes = section.spec.via != AnnouncedVia::Address;
        if to.is_announced() {
            self.put(name, true);
            // The route with the other metric, once the new one is there.
            if is_new && has_routes {
                self.remove_undeclared();
            }
        } else {
            self.withdraw(name);
        }
    }

    /// Withdraws a section: routes, then addresses. They stay local for a while.
    fn withdraw(&mut self, name: &Arc<str>) {
        let Some(section) = self.sections.get_mut(name) else {
            return;
        };
        section.found = false;
        let spec = Arc::clone(&section.spec);
        let until = now() + spec.linger;
        let link = self.table.link(&spec.interface).map(|link| link.index);
        let mut failed = None;
        for place in section::places(&spec) {
            if let Some(index) = link {
                for route in former_routes(&spec, place.address, index) {
                    if let Err(error) = route.remove(&mut self.requests) {
                        failed = Some(format!(
                            "cannot remove the route to {}: {error}",
                            place.address
                        ));
                    }
                }
            }
            if let Some(found) = self.ours_at(&place).copied() {
                let removed = self
                    .requests
                    .remove(found.index, found.address, found.prefix);
                match removed {
                    Ok(()) => self.table.forget(&found),
                    Err(error) => {
                        failed = Some(format!(
                            "cannot remove {} from `{}`: {error}",
                            place.address, place.interface
                        ));
                    }
                }
            }
            if let Some(end) = self
                .local
                .get_mut(&place.address)
                .filter(|end| end.is_none())
            {
                *end = Some(until);
            }
        }
        self.report(name, failed, Position::Withdrawn);
    }

    /// News of the kernel: the table follows, removed addresses and interfaces come back.
    fn hear(&mut self) {
        let mut news = Vec::new();
        self.monitor.hear(ROUND, |one| news.push(one));
        if news.contains(&News::Lost) {
            self.read_everything();
            if self.is_core_alive(now()) {
                self.put_all();
            }
            return;
        }
        let (mut links, mut gone) = (false, Vec::new());
        for one in news {
            if let News::AddressGone(address) = &one {
                gone.push(*address);
            }
            let is_link = matches!(one, News::Link(_) | News::LinkGone(_));
            links |= self.table.apply(one) && is_link;
        }
        // While the core does not run, leases end: no other program removed them.
        if !self.is_core_alive(now()) {
            return;
        }
        if links {
            self.put_all();
        }
        for address in gone {
            self.restore(&address);
        }
    }

    fn is_core_alive(&self, now: Duration) -> bool {
        let pulse = Duration::from_millis(self.pulse.load(Ordering::Relaxed));
        now.saturating_sub(pulse) < SILENT
    }

    /// An address has gone. If a section holds it, another program removed it.
    fn restore(&mut self, gone: &Address) {
        let now = now();
        let Self {
            table, sections, ..
        } = self;
        let found = sections.iter_mut().find_map(|(name, section)| {
            let mut places = section.places().into_iter();
            let place = places.find(|place| table.was_at(gone, place))?;
            section
                .is_held()
                .then_some((Arc::clone(name), section, place))
        });
        let Some((name, section, place)) = found else {
            return;
        };
        // It came back in the meantime; or its interface is down or gone, and will be told.
        if table.at(&place).is_some() || table.link(&place.interface).is_none_or(|link| !link.up) {
            return;
        }
        if section.is_removed(now) {
            self.put(&name, true);
            let (address, interface) = (place.address, &place.interface);
            let text = format!(
                "another program removed {address} from `{interface}`; director put it back"
            );
            let section = name;
            (self.tell)(Report::Restored { section, text });
        }
    }

    fn put_all(&mut self) {
        let all: Vec<Arc<str>> = self.sections.keys().map(Arc::clone).collect();
        for name in all {
            self.put(&name, true);
        }
    }

    /// Renews all leases, unless the core does not run.
    fn renew(&mut self, now: Duration) {
        if now < self.renew_at {
            return;
        }
        self.renew_at = now + RENEW;
        self.renewals = self.renewals.wrapping_add(1);
        if !self.is_core_alive(now) {
            return;
        }
        let full = self.renewals.is_multiple_of(FULL);
        let all: Vec<Arc<str>> = self.sections.keys().map(Arc::clone).collect();
        for name in all {
            self.put(&name, full);
            let section = self.sections.get(&name);
            // What could not be removed is tried again.
            if section.is_some_and(|section| {
                section.trouble.is_some() && section.decided == Some(Position::Withdrawn)
            }) {
                self.withdraw(&name);
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
            // The next renewal is the next attempt.
            Err(error) => tracing::warn!("cannot read interfaces and addresses: {error}"),
        }
    }

    fn stop(&mut self, withdraw: bool) {
        let names: Vec<Arc<str>> = self.sections.keys().map(Arc::clone).collect();
        for name in names {
            if withdraw {
                self.set(&name, Position::Withdrawn);
            } else {
                // The whole lease, for the next process.
                self.put(&name, true);
            }
        }
        if !withdraw {
            return;
        }
        while let Some(until) = self.local.values().flatten().max().copied() {
            thread::sleep(until.saturating_sub(now()));
            self.end_local(now());
        }
        self.sections.clear();
        self.remove_links();
    }
}

/// The routes that a section may have to an address.
fn former_routes(spec: &Announced, to: IpAddr, index: u32) -> Vec<OwnRoute> {
    let mut section = Section::new(Arc::new(spec.clone()), false);
    let mut all = Vec::new();
    for position in [Position::Announced, Position::Fallback] {
        section.decided = Some(position);
        all.extend(section.routes(index).unwrap_or_default());
    }
    all.retain(|route| route.to == to);
    all.sort_unstable();
    all.dedup();
    all
}
