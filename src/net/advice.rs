//! What is declared, held against what the machine is like.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipvs::{ForwardMethod, ServiceKey};

use super::address::AddressState;
use super::machine::Machine;
use super::sysctl::SourceCheck;
use super::table::Reach;
use super::warning::{Examples, Warning};
use crate::state::DesiredService;

/// So many things of a kind are counted. A machine on which more do not work lacks something that
/// has nothing to do with them, and it is not worth the time to know how many they are.
const MAX_COUNTED: usize = 1_000;

/// Says because of what on this machine declared services would not work: one warning for each
/// cause, whatever the number of services. None of it is an error, as the machine may be about to
/// become what it has to be.
///
/// # What the kernel does
/// Seen on Linux 6.1, each in a test of `tests/kernel/verbs/machine.rs`:
///
/// - A packet is balanced where it would be received (`NF_INET_LOCAL_IN`), so its destination must
///   be local: an address of an interface, or a `local` route. A firewall mark's services have no
///   address.
/// - Forwarding is needed for the answers of NAT only, and on the interface where they come in;
///   the way to a server does not need it, under whichever method. A server on the director itself
///   does not either.
/// - `rp_filter` does no harm where packets come in by the way that answers would take: that is
///   so for servers under NAT, DR and TUN. It drops clients where the interface of the virtual
///   address is not the way back to them.
#[must_use]
pub fn advise<'d>(
    services: impl IntoIterator<Item = &'d Arc<DesiredService>>,
    machine: &Machine,
) -> Vec<Warning> {
    let mut advice = Advice {
        machine,
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
            advice.listen(address, &service.name);
        }
        for (server, declared) in &service.servers {
            advice.server(server.address, declared.server.forward, &service.name);
        }
    }
    advice.warnings()
}

struct Advice<'m> {
    machine: &'m Machine,
    /// Its addresses, once somebody has asked for one.
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
    fn listen(&mut self, address: IpAddr, service: &str) {
        match self.machine.routes.reach(address) {
            Reach::Local => {}
            Reach::Unknown => return,
            Reach::Through(_) | Reach::Nowhere => {
                match self.state_of(address) {
                    Some(AddressState::Duplicate) => self.taken.add(address, service),
                    Some(_) => self.unready.add(address, service),
                    None => self.missing.add(address, service),
                }
                return;
            }
        }
        if let IpAddr::V4(v4) = address
            && let Some(interface) = self.refuses_clients_of(v4)
        {
            let refused = self.refused.entry(interface.to_owned()).or_default();
            refused.add(address, service);
        }
    }

    /// How an address stands on an interface, if it does. Mostly nobody asks.
    fn state_of(&mut self, address: IpAddr) -> Option<AddressState> {
        let own = self.own.get_or_insert_with(|| {
            let own = self.machine.addresses.iter();
            own.map(|own| (own.address, own.state)).collect()
        });
        own.get(&address).copied()
    }

    /// The interface by which clients of a virtual address come in and are refused there. That is
    /// certain only where the address belongs to the interface's own network, so that the router
    /// there hands its packets in, and where clients are beyond that network, as the Internet's
    /// are.
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

    fn server(&mut self, address: IpAddr, forward: ForwardMethod, service: &str) {
        match self.machine.routes.reach(address) {
            Reach::Nowhere => self.unreachable.add(address, service),
            Reach::Through(interface) if forward == ForwardMethod::Masquerade => {
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

    /// The sysctl because of which answers that come in by this interface are not forwarded.
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
struct Found {
    examples: Examples,
    seen: HashSet<IpAddr>,
}

impl Found {
    fn add(&mut self, address: IpAddr, service: &str) {
        if self.seen.len() < MAX_COUNTED {
            if self.seen.insert(address) {
                self.examples.add(address, service);
            }
        } else if !self.examples.more {
            self.examples.more = !self.seen.contains(&address);
        }
    }

    fn some(self) -> Option<Examples> {
        (self.examples.count > 0).then_some(self.examples)
    }
}

/// Whether an address can be meant for the Internet, and not only for a network of one's own.
const fn is_public(address: Ipv4Addr) -> bool {
    // RFC 6598, for carriers' own networks.
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    !(address.is_private() || address.is_loopback() || address.is_link_local() || shared)
}
