//! Whether checks can leave this machine from an address that is not virtual.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipvs::{ForwardMethod, ServerKey, ServiceKey};

use super::address::AddressState;
use super::advise::Found;
use super::machine::Machine;
use super::table::Reach;
use super::warning::Warning;
use crate::state::health::ServiceWatch;
use crate::state::{DesiredService, MachineCode};

/// Warns of servers whose checks leave from a virtual address for want of another.
///
/// A server under `dr` or `tun` holds the virtual addresses itself, and sends its answer to such a
/// check to itself: it never passes. director avoids these addresses as long as the machine has
/// another one (`director-check`, `sources.rs`).
#[must_use]
pub fn advise_checks<'d>(
    services: impl IntoIterator<Item = (&'d Arc<DesiredService>, &'d Arc<ServiceWatch>)> + Clone,
    machine: &Machine,
) -> Option<Warning> {
    let virtuals: BTreeSet<IpAddr> = services
        .clone()
        .into_iter()
        .filter_map(|(service, _)| match service.service.key {
            ServiceKey::Address { address, .. } => Some(address),
            ServiceKey::Fwmark { .. } => None,
        })
        .collect();
    let [v4, v6] = [true, false].map(|v4| only_virtual(machine, &virtuals, v4));
    if !v4 && !v6 {
        return None;
    }
    let mut found = Found::default();
    for (service, watch) in services {
        for (server, declared) in &service.servers {
            let holds = matches!(
                declared.server.forward,
                ForwardMethod::DirectRoute | ForwardMethod::Tunnel
            );
            let remote = matches!(
                machine.routes.reach(server.address),
                Reach::Through(_) | Reach::Unknown
            );
            let allowed = service.allow.contains(MachineCode::VirtualSource);
            if !allowed && holds && remote && checked_from_anywhere(watch, server, v4, v6) {
                found.add(server.address, &service.name);
            }
        }
    }
    found.some().map(Warning::VirtualSource)
}

/// Whether the machine has virtual addresses of a family, and no others that reach a server.
fn only_virtual(machine: &Machine, virtuals: &BTreeSet<IpAddr>, v4: bool) -> bool {
    let own = machine.addresses.iter();
    let own = own.filter(|own| {
        own.address.is_ipv4() == v4
            && own.state == AddressState::Used
            && !own.address.is_loopback()
            && !is_link_local(own.address)
    });
    let mut any = false;
    for own in own {
        if !virtuals.contains(&own.address) {
            return false;
        }
        any = true;
    }
    any
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => Ipv6Addr::is_unicast_link_local(&v6),
    }
}

/// Whether a check of a server, in one of these families, has no source of its own.
fn checked_from_anywhere(watch: &ServiceWatch, server: &ServerKey, v4: bool, v6: bool) -> bool {
    watch.checks_of(server).iter().any(|check| {
        let address = check.at.address.unwrap_or(server.address);
        let concerned = if address.is_ipv4() { v4 } else { v6 };
        let declared = check.at.source.iter();
        let declared = declared.filter(|source| source.is_ipv4() == address.is_ipv4());
        // A program chooses for itself, and a file is read here.
        let leaves = check.kind.needs_port() || check.kind.name() == "ping";
        concerned && leaves && declared.count() == 0
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, Format, Memory, load_text};
    use crate::net::{Forwarding, InterfaceAddress, Route, RouteKind, Routes};

    const VIRTUAL: &str = "2001:db8::10";

    fn machine(addresses: &[&str]) -> Machine {
        let own = |address: &&str| InterfaceAddress {
            address: address.parse().unwrap(),
            prefix_length: 64,
            interface: 2,
            state: AddressState::Used,
        };
        let route = Route {
            table: 254,
            destination: "2001:db8::".parse().unwrap(),
            prefix_length: 64,
            kind: RouteKind::Unicast,
            interface: Some(2),
            gateway: false,
            metric: 0,
        };
        Machine {
            addresses: addresses.iter().map(own).collect(),
            routes: Routes::all(vec![route]),
            forwarding: Forwarding { v4: true, v6: true },
            interfaces: std::collections::BTreeMap::new(),
        }
    }

    /// The warning for one service under this forwarding method, with this check.
    fn said(forward: &str, check: &str, machine: &Machine) -> Option<String> {
        let text = format!(
            "version = 1\n[service.web]\nlisten = \"tcp://[{VIRTUAL}]:80\"\nforward = \"{forward}\"\n\
             servers = [\"2001:db8::11\"]\ncheck = {check}\n"
        );
        let outcome = load_text(
            "x.toml",
            text.into_bytes(),
            Format::Toml,
            Path::new("."),
            &Memory::default(),
            &Environment::default(),
            false,
        );
        let desired = outcome.desired.expect("the file is without a mistake");
        let watch = outcome.watch.expect("and so are its checks");
        let services = desired.services.values();
        let services = services.filter_map(|service| {
            let watch = watch.services.get(&service.service.key)?;
            Some((service, watch))
        });
        advise_checks(services, machine).map(|warning| warning.render(false))
    }

    #[test]
    fn a_machine_with_virtual_addresses_only() {
        let only = machine(&[VIRTUAL, "fe80::1", "::1", "10.0.0.2"]);
        let expected = "\
warning[virtual-source]: 2001:db8::11 (web) is checked from a virtual address
  = note: the server holds that address too, and answers itself, so the check never passes
  = help: give this machine an address of its own in that family, such as one in the servers' \
network; or set `source` in the check
";
        for forward in ["dr", "tun"] {
            assert_eq!(said(forward, "\"tcp\"", &only).as_deref(), Some(expected));
            assert!(said(forward, "\"ping\"", &only).is_some());
        }
        assert_eq!(
            said("nat", "\"tcp\"", &only),
            None,
            "its servers do not hold it"
        );
        assert_eq!(said("dr", "false", &only), None);
        let own = "{ type = \"tcp\", source = \"2001:db8::2\" }";
        assert_eq!(said("dr", own, &only), None);
        let both = machine(&[VIRTUAL, "2001:db8::2"]);
        assert_eq!(said("dr", "\"tcp\"", &both), None);
        assert_eq!(said("dr", "\"tcp\"", &machine(&[])), None, "a standby");
    }
}
