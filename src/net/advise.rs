//! Compares the declaration with the machine.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipvs::{ForwardMethod, ServiceKey};

use super::address::AddressState;
use super::machine::Machine;
use super::sysctl::SourceCheck;
use super::table::Reach;
use super::warning::{Examples, Warning};
use crate::state::{DesiredService, MachineCode};

/// The most items counted per kind. A machine with more failures lacks something general, and an
/// exact count is not worth the time.
const MAX_COUNTED: usize = 1_000;

/// Warns if this machine keeps declared services from working: one warning per cause, whatever the
/// number of services. None of them is an error, since the machine may be about to change.
///
/// # What the kernel does
/// Observed on Linux 6.1, each in a test of `tests/kernel/verbs/machine.rs`:
///
/// - IPVS balances a packet where the machine would receive it (`NF_INET_LOCAL_IN`), so its
///   destination must be local: an address of an interface, or a `local` route. Services by
///   firewall mark have no address.
/// - Only NAT replies need forwarding, on the interface where they come in. The way to a server
///   does not need it under any method, and a server on the director itself does not either.
/// - `rp_filter` does no harm if packets come in on the interface that replies would take, as for
///   servers under NAT, DR and TUN. It drops clients if the interface of the virtual address is not
///   the way back to them.
#[must_use]
pub fn advise<'d>(
    services: impl IntoIterator<Item = &'d Arc<DesiredService>>,
    machine: &Machine,
) -> Vec<Warning> {
    advise_holding(services, machine, &BTreeSet::new())
}

/// The same, for a director that puts some addresses on the machine itself: these may be missing.
#[must_use]
pub fn advise_holding<'d>(
    services: impl IntoIterator<Item = &'d Arc<DesiredService>>,
    machine: &Machine,
    held: &BTreeSet<IpAddr>,
) -> Vec<Warning> {
    let mut advice = Advice {
        machine,
        held,
        own: None,
        missing: Found::default(),
        unready: Found::default(),
        taken: Found::default(),
        unreachable: Found::default(),
        not_forwarded: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    for service in services {
        if let ServiceKey::Address { address, .. } = service.service.key {
            advice.listen(address, service);
        }
        for (server, declared) in &service.servers {
            advice.server(server.address, declared.server.forward, service);
        }
    }
    advice.warnings()
}

struct Advice<'m> {
    machine: &'m Machine,
    held: &'m BTreeSet<IpAddr>,
    /// The machine's addresses, indexed on first use.
    own: Option<HashMap<IpAddr, AddressState>>,
    missing: Found,
    unready: Found,
    taken: Found,
    unreachable: Found,
    /// By sysctl.
    not_forwarded: BTreeMap<String, Found>,
    /// By interface.
    refused: BTreeMap<String, Found>,
}

impl Advice<'_> {
    fn listen(&mut self, address: IpAddr, service: &DesiredService) {
        let (allowed, service) = (service.allow, &*service.name);
        match self.machine.routes.reach(address) {
            Reach::Local => {}
            Reach::Unknown => return,
            Reach::Through(_) | Reach::Nowhere => {
                let (code, found) = match self.state_of(address) {
                    Some(AddressState::Duplicate) => (MachineCode::AddressTaken, &mut self.taken),
                    Some(_) => (MachineCode::AddressUnready, &mut self.unready),
                    None if self.held.contains(&address) => return,
                    None => (MachineCode::AddressMissing, &mut self.missing),
                };
                if !allowed.contains(code) {
                    found.add(address, service);
                }
                return;
            }
        }
        if let IpAddr::V4(v4) = address
            && !allowed.contains(MachineCode::SourceRefused)
            && let Some(interface) = self.refuses_clients_of(v4)
        {
            let refused = self.refused.entry(interface.to_owned()).or_default();
            refused.add(address, service);
        }
    }

    /// The state of an address on an interface, if it has one. Usually not needed.
    fn state_of(&mut self, address: IpAddr) -> Option<AddressState> {
        let own = self.own.get_or_insert_with(|| {
            let own = self.machine.addresses.iter();
            own.map(|own| (own.address, own.state)).collect()
        });
        own.get(&address).copied()
    }

    /// The interface by which clients of a virtual address come in and are dropped. This is certain
    /// only if the address is in the interface's own network, so that its router delivers the
    /// packets there, and the clients are beyond that network, as Internet clients are.
    fn refuses_clients_of(&self, address: Ipv4Addr) -> Option<&str> {
        let routes = &self.machine.routes;
        let index = routes.neighbourhood(address.into())?;
        let interface = self.machine.interfaces.get(&index)?;
        let certain = interface.source_check == SourceCheck::Strict
            && is_public(address)
            && routes.has_default()
            && !routes.leads_beyond(index);
        certain.then_some(interface.name.as_str())
    }

    fn server(&mut self, address: IpAddr, forward: ForwardMethod, service: &DesiredService) {
        let (allowed, service) = (service.allow, &*service.name);
        match self.machine.routes.reach(address) {
            Reach::Nowhere if allowed.contains(MachineCode::NoRoute) => {}
            Reach::Nowhere => self.unreachable.add(address, service),
            Reach::Through(interface)
                if forward == ForwardMethod::Masquerade
                    && !allowed.contains(MachineCode::NotForwarded) =>
            {
                if let Some(sysctl) = self.stops_answers_of(address, interface) {
                    self.not_forwarded
                        .entry(sysctl)
                        .or_default()
                        .add(address, service);
                }
            }
            Reach::Through(_) | Reach::Local | Reach::Unknown => {}
        }
    }

    /// The sysctl that keeps replies which come in on this interface from being forwarded.
    fn stops_answers_of(&self, server: IpAddr, interface: Option<u32>) -> Option<String> {
        let forwarding = self.machine.forwarding;
        if server.is_ipv6() {
            let sysctl = "net.ipv6.conf.all.forwarding";
            return (!forwarding.v6).then(|| sysctl.to_owned());
        }
        let interface = interface.and_then(|index| self.machine.interfaces.get(&index));
        let forwards = interface.map_or(forwarding.v4, |interface| interface.forwarding);
        if forwards {
            return None;
        }
        Some(match interface {
            Some(interface) if forwarding.v4 => {
                format!("net.ipv4.conf.{}.forwarding", interface.name)
            }
            _ => "net.ipv4.ip_forward".to_owned(),
        })
    }

    fn warnings(self) -> Vec<Warning> {
        let mut warnings: Vec<_> = [
            self.missing.some().map(Warning::AddressMissing),
            self.unready.some().map(Warning::AddressUnready),
            self.taken.some().map(Warning::AddressTaken),
            self.unreachable.some().map(Warning::NoRoute),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (sysctl, servers) in self.not_forwarded {
            let servers = servers.some();
            warnings.extend(servers.map(|servers| Warning::NotForwarded { sysctl, servers }));
        }
        for (interface, addresses) in self.refused {
            let addresses = addresses.some();
            warnings.extend(addresses.map(|addresses| Warning::SourceRefused {
                interface,
                addresses,
            }));
        }
        warnings
    }
}

/// Addresses, each counted once.
#[derive(Default)]
pub(super) struct Found {
    examples: Examples,
    seen: HashSet<IpAddr>,
}

impl Found {
    pub(super) fn add(&mut self, address: IpAddr, service: &str) {
        if self.seen.len() < MAX_COUNTED {
            if self.seen.insert(address) {
                self.examples.add(address, service);
            }
        } else if !self.examples.more {
            self.examples.more = !self.seen.contains(&address);
        }
    }

    pub(super) fn some(self) -> Option<Examples> {
        (self.examples.count > 0).then_some(self.examples)
    }
}

/// Whether an address can be meant for the Internet rather than for a private network.
const fn is_public(address: Ipv4Addr) -> bool {
    // RFC 6598, for carriers' own networks.
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    !(address.is_private() || address.is_loopback() || address.is_link_local() || shared)
}
