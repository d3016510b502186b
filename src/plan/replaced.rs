//! Services that change only their name, address or grouping: a new one replaces them.

use std::net::IpAddr;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::Situation;
use crate::state::{DesiredService, ObservedService};

/// The plan's new services that have not replaced another one yet.
pub(super) struct Replacements<'s> {
    fresh: Vec<&'s DesiredService>,
    /// New services that group several addresses or ports. They can replace any number.
    groups: Vec<&'s DesiredService>,
}

impl<'s> Replacements<'s> {
    pub(super) fn new(situation: &Situation<'s>) -> Self {
        let owned = &situation.ownership.services;
        let services = situation.desired.services.iter();
        let fresh = services.filter(|(key, _)| !owned.contains_key(key));
        let fresh: Vec<_> = fresh.map(|(_, service)| &**service).collect();
        let groups = fresh.iter().copied().filter(|service| is_group(service));
        Self {
            groups: groups.collect(),
            fresh,
        }
    }

    /// Whether a new service replaces one to remove: it has its name or its servers. Each new
    /// service replaces only one, so that a file that lost its second half while its first half
    /// moved does not pass for a rewritten one.
    pub(super) fn has_one_for(
        &mut self,
        key: &ServiceKey,
        name: &Arc<str>,
        there: &ObservedService,
    ) -> bool {
        let of_its_name = |one: &&DesiredService| one.name == *name;
        let found = self.fresh.iter().position(of_its_name);
        let found = found.or_else(|| {
            let takes_over = |one: &&DesiredService| shared(one, there) * 2 > there.servers.len();
            self.fresh.iter().position(takes_over)
        });
        if let Some(found) = found {
            self.fresh.swap_remove(found);
            return true;
        }
        let mut groups = self.groups.iter();
        groups.any(|group| {
            let all = !there.servers.is_empty() && shared(group, there) == there.servers.len();
            all && covers(&group.service.key, key)
        })
    }
}

/// Whether a service takes packets of several addresses or ports.
fn is_group(service: &DesiredService) -> bool {
    matches!(
        service.service.key,
        ServiceKey::Fwmark { .. } | ServiceKey::Address { port: 0, .. }
    )
}

/// Whether a group can take the packets of a service. For a mark, the packet filter decides.
fn covers(group: &ServiceKey, one: &ServiceKey) -> bool {
    match (group, one) {
        (
            ServiceKey::Address {
                protocol, address, ..
            },
            ServiceKey::Address {
                protocol: other_protocol,
                address: other_address,
                ..
            },
        ) => protocol == other_protocol && address == other_address,
        (ServiceKey::Fwmark { .. }, _) => true,
        (ServiceKey::Address { .. }, ServiceKey::Fwmark { .. }) => false,
    }
}

/// How many of a service's servers the new one has, by address.
fn shared(fresh: &DesiredService, there: &ObservedService) -> usize {
    let addresses: Vec<IpAddr> = fresh.servers.keys().map(|key| key.address).collect();
    let has = |address: &IpAddr| addresses.contains(address);
    let servers = there.servers.keys();
    servers.filter(|key| has(&key.address)).count()
}
