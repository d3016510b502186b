//! Removes what is no longer needed: of earlier files and processes, and after `linger`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::super::link;
use super::super::message::MARK;
use super::super::routes::{self, OwnRoute};
use super::super::section::{self, Section};
use super::Holder;
use crate::failover::lease::{Address, Link, Place, Requests, now};
use crate::state::failover::Announced;

/// How long an address of an earlier file or process stays usable.
const FORMER: Duration = Announced::DEFAULT_LINGER;

impl Holder {
    /// Withdraws what a section had that is declared no longer, or otherwise.
    pub(super) fn leave(&mut self, old: &Announced) {
        let until = now() + old.linger;
        for place in section::places(old) {
            let is_declared = self
                .sections
                .values()
                .any(|section| section.is_held() && section.places().contains(&place));
            if !is_declared {
                self.local.insert(place.address, Some(until));
            }
        }
    }

    /// Removes routes and addresses of ours that no section holds now: of an earlier process, of an
    /// earlier file, of another metric. Routes go first, addresses after them.
    pub(super) fn remove_undeclared(&mut self) {
        let wanted: Vec<Place> = self.held().flat_map(Section::places).collect();
        let found = Requests::open().and_then(|requests| routes::all(&mut requests.strictly()));
        match found {
            Ok(found) => {
                for route in found {
                    if route.is_local() {
                        // Of an earlier process.
                        self.local.entry(route.to).or_insert(Some(now() + FORMER));
                    } else if !self.is_wanted(&route) {
                        let _ = route.remove(&mut self.requests);
                    }
                }
            }
            Err(error) => tracing::warn!("cannot read routes of director's: {error}"),
        }
        let ours = self.table.addresses();
        let ours = ours.filter(|address| address.proto == MARK);
        let undeclared = ours.filter(|address| {
            let at = |place: &Place| self.table.is_at(address, place);
            !wanted.iter().any(at)
        });
        let undeclared: Vec<Address> = undeclared.copied().collect();
        for address in undeclared {
            let until = now() + FORMER;
            self.local.entry(address.address).or_insert(Some(until));
            self.remove_address(&address);
        }
    }

    /// Whether a section has this route, or may have it: it goes on with what it found.
    fn is_wanted(&self, route: &OwnRoute) -> bool {
        self.held().any(|section| {
            let index = self.table.link(&section.spec.interface);
            match index.and_then(|link| section.routes(link.index)) {
                Some(routes) => routes.contains(route),
                None => section.spec.addresses.contains(&route.to),
            }
        })
    }

    fn remove_address(&mut self, address: &Address) {
        let removed = self
            .requests
            .remove(address.index, address.address, address.prefix);
        if removed.is_ok() {
            self.table.forget(address);
        }
    }

    /// Removes the local routes of addresses that are no longer needed.
    pub(super) fn end_local(&mut self, now: Duration) {
        let over = self.local.iter();
        let over = over.filter(|(_, until)| until.is_some_and(|until| until <= now));
        let over: Vec<IpAddr> = over.map(|(address, _)| *address).collect();
        let lo = self.table.link("lo").map(|lo| lo.index);
        for address in over {
            self.local.remove(&address);
            if let Some(lo) = lo {
                let _ = OwnRoute::local(address, lo).remove(&mut self.requests);
            }
        }
    }

    /// Removes interfaces that a director made and no section uses. With addresses of others they
    /// stay.
    pub(super) fn remove_links(&mut self) {
        let sections = self.sections.values();
        let used: BTreeSet<_> = sections.map(|section| &section.spec.interface).collect();
        let links = self.table.links();
        let links = links.filter(|link| link::is_ours(link));
        let links = links.filter(|link| !used.iter().any(|used| ***used == *link.name));
        let links = links.filter(|link| {
            let on = self.table.addresses();
            let mut on = on.filter(|address| address.index == link.index);
            on.all(|address| address.proto == MARK || is_link_local(address.address))
        });
        let links: Vec<Link> = links.cloned().collect();
        for link in links {
            match link::remove(&mut self.requests, &link) {
                Ok(()) => {
                    self.made.remove(&*link.name);
                }
                Err(error) => tracing::warn!("cannot remove `{}`: {error}", link.name),
            }
        }
    }
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
