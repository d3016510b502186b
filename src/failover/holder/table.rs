//! The interfaces and addresses of the machine, as rtnetlink tells them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::netlink::{Address, Link, News};
use super::section::Place;

/// The most addresses remembered.
const MOST: usize = 100_000;

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Table {
    links: BTreeMap<u32, Link>,
    addresses: BTreeMap<(u32, IpAddr, u8), Address>,
    /// In which order addresses came: the first one of an interface is its primary.
    order: Vec<(u32, IpAddr, u8)>,
}

/// The interfaces, and their addresses that are not ours, in the order in which the kernel has
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::failover) struct View {
    pub(in crate::failover) links: Vec<(Link, Vec<Address>)>,
    /// Interfaces of virtual MAC addresses that director cannot make, and why.
    pub(in crate::failover) refused: BTreeMap<Arc<str>, Arc<str>>,
}

impl View {
    /// The interface of this name.
    pub(in crate::failover) fn link(&self, name: &str) -> Option<&(Link, Vec<Address>)> {
        self.links.iter().find(|(link, _)| link.name == name)
    }
}

impl Table {
    /// Whether it changed for others than ourselves.
    pub(crate) fn apply(&mut self, news: News) -> bool {
        match news {
            News::Link(link) => {
                let old = self.links.insert(link.index, link.clone());
                old.as_ref() != Some(&link)
            }
            News::LinkGone(index) => {
                self.order.retain(|(of, ..)| *of != index);
                self.addresses.retain(|(of, ..), _| *of != index);
                self.links.remove(&index).is_some()
            }
            News::Address(address) => {
                let key = (address.index, address.address, address.prefix);
                if self.addresses.len() >= MOST && !self.addresses.contains_key(&key) {
                    return false;
                }
                match self.addresses.insert(key, address) {
                    None => {
                        self.order.push(key);
                        !address.is_ours()
                    }
                    Some(old) => old.usable != address.usable || old.is_ours() != address.is_ours(),
                }
            }
            News::AddressGone(address) => {
                let key = (address.index, address.address, address.prefix);
                self.order.retain(|other| *other != key);
                self.addresses
                    .remove(&key)
                    .is_some_and(|old| !old.is_ours())
            }
            News::Lost => true,
        }
    }

    pub(crate) fn forget(&mut self, address: &Address) {
        self.apply(News::AddressGone(*address));
    }

    /// The interface of this name.
    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The address that is at this place. IPv6 knows one address once, whatever its prefix.
    pub(crate) fn at(&self, place: &Place) -> Option<&Address> {
        let index = self.link(&place.interface)?.index;
        let range = (index, place.address, 0)..=(index, place.address, u8::MAX);
        let mut found = self.addresses.range(range).map(|(_, address)| address);
        found
            .clone()
            .find(|address| !address.is_ours())
            .or_else(|| found.next())
    }

    /// Whether an address is at this place.
    pub(crate) fn is_at(&self, address: &Address, place: &Place) -> bool {
        address.prefix == place.prefix && self.was_at(address, place)
    }

    /// The same of one that is gone.
    pub(crate) fn was_at(&self, address: &Address, place: &Place) -> bool {
        let link = self.link(&place.interface);
        address.address == place.address && link.is_some_and(|link| link.index == address.index)
    }

    /// Addresses that a director added.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values().filter(|address| address.is_ours())
    }

    /// All addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values()
    }

    /// All interfaces.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(super) fn view(&self) -> View {
        let links = self.links.values().map(|link| {
            let keys = self.order.iter().filter(|(index, ..)| *index == link.index);
            let addresses = keys.filter_map(|key| self.addresses.get(key));
            let others = addresses.filter(|address| !address.is_ours());
            (link.clone(), others.copied().collect())
        });
        View {
            links: links.collect(),
            refused: BTreeMap::new(),
        }
    }
}
