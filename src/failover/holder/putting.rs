//! Puts the addresses and routes of a section in place, and removes them.

use std::net::IpAddr;
use std::sync::Arc;

use super::netlink::LIVE;
use super::{Holder, Report};

impl Holder {
    /// Puts all addresses of a section in place.
    pub(super) fn take(&mut self, name: &Arc<str>) {
        let Some(section) = self.sections.get_mut(name) else {
            return;
        };
        section.held = true;
        let foreign = self.put(name);
        (self.tell)(Report::Taken {
            section: Arc::clone(name),
            foreign,
        });
    }

    /// Adds or renews the addresses of a section; returns those that belong to others.
    pub(super) fn put(&mut self, name: &Arc<str>) -> Vec<IpAddr> {
        self.raise_links(name);
        let Some(section) = self.sections.get_mut(name) else {
            return Vec::new();
        };
        let mut foreign = Vec::new();
        for place in &section.holding.places {
            // An interface that is not there yet: news of it comes.
            let Some(link) = self.table.link(&place.interface) else {
                continue;
            };
            if self.table.at(place).is_some_and(|found| !found.is_ours()) {
                foreign.push(place.address);
                continue;
            }
            let lease = section.holding.lease;
            match self.requests.lease(link.index, place, lease, LIVE) {
                Ok(()) => {
                    section.failing.remove(&place.address);
                }
                Err(error) => {
                    let why = error.to_string();
                    if section.failing.get(&place.address) != Some(&why) {
                        section.failing.insert(place.address, why.clone());
                        (self.tell)(failed(name, &place.address, &place.interface, &why));
                    }
                }
            }
        }
        self.put_routes(name);
        foreign
    }

    pub(super) fn put_routes(&mut self, name: &Arc<str>) {
        let Some(section) = self.sections.get_mut(name) else {
            return;
        };
        let mut failing = None;
        for route in &section.holding.routes {
            if let Err(error) = self.requests.add_route(route, &self.table) {
                let (to, length) = route.to;
                failing = Some(format!("cannot add the route to {to}/{length}: {error}"));
            }
        }
        if failing.is_some() && failing != section.failing_route {
            let why = failing.clone().unwrap_or_default();
            let section = Arc::clone(name);
            (self.tell)(Report::Failed { section, why });
        }
        section.failing_route = failing;
    }

    /// Removes the routes of a section, also those that a killed process left.
    pub(super) fn remove_routes(&mut self, name: &Arc<str>) {
        let Some(section) = self.sections.get(name) else {
            return;
        };
        for route in &section.holding.routes {
            if let Err(error) = self.requests.remove_route(route, &self.table) {
                let (to, length) = route.to;
                let why = format!("cannot remove the route to {to}/{length}: {error}");
                let section = Arc::clone(name);
                (self.tell)(Report::Failed { section, why });
            }
        }
    }

    pub(super) fn release(&mut self, name: &Arc<str>) {
        self.remove_routes(name);
        let Some(section) = self.sections.get_mut(name) else {
            return;
        };
        section.held = false;
        section.schedule.end();
        for place in &section.holding.places {
            let Some(link) = self.table.link(&place.interface) else {
                continue;
            };
            if self.table.at(place).is_some_and(|found| !found.is_ours()) {
                continue;
            }
            let removed = self
                .requests
                .remove(link.index, place.address, place.prefix);
            if let Err(error) = removed {
                let why = error.to_string();
                (self.tell)(failed(name, &place.address, &place.interface, &why));
            }
        }
        self.lower_links(name);
    }

    pub(super) fn put_held(&mut self) {
        let sections = self.sections.iter();
        let held = sections.filter(|(_, section)| section.held);
        let held: Vec<Arc<str>> = held.map(|(name, _)| Arc::clone(name)).collect();
        for name in held {
            self.put(&name);
        }
    }
}

fn failed(section: &Arc<str>, address: &IpAddr, interface: &str, why: &str) -> Report {
    let section = Arc::clone(section);
    let why = format!("cannot change {address} on `{interface}`: {why}");
    Report::Failed { section, why }
}
