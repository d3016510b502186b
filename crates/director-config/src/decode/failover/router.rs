//! The virtual routers of a failover section: its own, and those of its members.

use std::net::IpAddr;
use std::sync::Arc;

use vrrp::machine::SendForm;
use vrrp::{Auth, Family, Interval, Version, VirtualRouterId};

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::source::{Span, Spanned};
use super::super::fields::Fields;
use super::address::{addresses, interface_name, plain, routes};
use crate::state::failover::{Route, VirtualAddress, VirtualRouter};

/// What all routers of a section have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) version: Version,
    pub(super) interval: Interval,
    pub(super) auth: Auth,
    pub(super) checksum: SendForm,
    pub(super) least_hop_limit: u8,
    pub(super) virtual_mac: bool,
}

/// The routers of one table, and their places.
#[derive(Debug, Default)]
pub(super) struct Routers {
    pub(super) routers: Vec<VirtualRouter>,
    pub(super) ids: Vec<Span>,
    pub(super) addresses: Vec<Spanned<IpAddr>>,
}

/// The routers of a section or a member: one for each family of its addresses.
pub(super) fn routers(
    fields: &Fields<'_>,
    common: &Common,
    into: &mut Routers,
    findings: &mut Findings,
) {
    let id_field = fields.require("id", findings);
    let id = id_field.and_then(|field| field.whole::<u8>(findings));
    let interface = fields.require("interface", findings);
    let interface = interface.and_then(|field| interface_name(&field, findings));
    let routes = routes(fields, findings);
    let peers = fields.get("peers").map(|field| {
        let peers = plain(&field, findings);
        if field.is_list() && field.items(findings).is_empty() {
            let message = "no peer for unicast";
            let mistake = Diagnostic::new(Code::MissingKey, field.span(), message);
            findings.push(
                mistake
                    .label("an empty list")
                    .help("without `peers`: multicast"),
            );
        }
        peers
    });
    let peers = peers.unwrap_or_default();
    let sources = fields.get("source");
    let sources = sources.map(|field| plain(&field, findings));
    let sources = sources.unwrap_or_default();
    let held = addresses(fields, findings).unwrap_or_default();
    into.addresses.extend(
        held.iter()
            .map(|one| Spanned::new(one.value.address, one.span)),
    );
    let (Some(id), Some(interface)) = (id, interface) else {
        return;
    };
    let Some(number) = VirtualRouterId::new(id.value) else {
        return;
    };
    let table = Table {
        id: Spanned::new(number, id.span),
        interface,
        routes,
        peers,
        sources,
        held,
    };
    table.check(common, findings);
    for family in [Family::V4, Family::V6] {
        if let Some(router) = table.router(family, common) {
            into.routers.push(router);
            into.ids.push(id.span);
        }
    }
}

/// One table, before it is divided by family.
struct Table {
    id: Spanned<VirtualRouterId>,
    interface: Arc<str>,
    routes: Vec<Route>,
    peers: Vec<Spanned<IpAddr>>,
    sources: Vec<Spanned<IpAddr>>,
    held: Vec<Spanned<VirtualAddress>>,
}

impl Table {
    fn of(&self, family: Family) -> impl Iterator<Item = &Spanned<VirtualAddress>> {
        let is_of = move |held: &&Spanned<VirtualAddress>| Family::of(held.value.address) == family;
        self.held.iter().filter(is_of)
    }

    fn check(&self, common: &Common, findings: &mut Findings) {
        if let (Version::V2, Some(held)) = (common.version, self.of(Family::V6).next()) {
            let message = "VRRP version 2 has no IPv6";
            findings.push(
                Diagnostic::new(Code::FailoverVersion, held.span, message)
                    .help("version = 3, on all directors"),
            );
        }
        for family in [Family::V4, Family::V6] {
            let mut named = self.of(family).filter(|held| held.value.advertised);
            if let (Some(held), None) = (self.of(family).next(), named.next()) {
                let message = format!("the adverts would name no {family} address");
                findings.push(
                    Diagnostic::new(Code::FailoverVersion, held.span, message)
                        .reason("an advert names at least one")
                        .help("advertised = true, of at least one address of each family"),
                );
            }
        }
        self.check_others("peer", &self.peers, findings);
        self.check_others("source", &self.sources, findings);
        let mut seen: Vec<Spanned<IpAddr>> = Vec::new();
        for source in &self.sources {
            let family = Family::of(source.value);
            if let Some(first) = seen.iter().find(|one| Family::of(one.value) == family) {
                let message = format!("two {family} sources");
                findings.push(
                    Diagnostic::new(Code::FailoverPeer, source.span, message)
                        .label("the second one")
                        .also(first.span, "the first one"),
                );
            }
            seen.push(*source);
            if let IpAddr::V6(v6) = source.value
                && !v6.is_unicast_link_local()
                && self.peers.iter().all(|peer| peer.value.is_ipv4())
            {
                let message = format!("the IPv6 source `{v6}` is not link-local");
                findings.push(
                    Diagnostic::new(Code::FailoverPeer, source.span, message).reason(
                        "other routers discard adverts by multicast from it: RFC 9568, 5.1.2",
                    ),
                );
            }
        }
    }

    /// Peers, or sources: unicast, no virtual address, of a family that the router has.
    fn check_others(&self, what: &str, others: &[Spanned<IpAddr>], findings: &mut Findings) {
        for other in others {
            let address = other.value;
            let held = self.held.iter().find(|held| held.value.address == address);
            if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
                let message = format!("the {what} `{address}` is not a unicast address");
                findings.push(Diagnostic::new(Code::FailoverPeer, other.span, message));
            } else if let Some(held) = held {
                let message = format!("the {what} `{address}` is a virtual address");
                findings.push(
                    Diagnostic::new(Code::FailoverPeer, other.span, message)
                        .also(held.span, "which moves")
                        .help("an address that always belongs to one machine"),
                );
            } else if self.of(Family::of(address)).next().is_none() && !self.held.is_empty() {
                let family = Family::of(address);
                let message =
                    format!("the {what} `{address}` is {family}, and no virtual address is");
                findings.push(Diagnostic::new(Code::FailoverPeer, other.span, message));
            }
        }
    }

    fn router(&self, family: Family, common: &Common) -> Option<VirtualRouter> {
        let mut addresses: Vec<_> = self.of(family).map(|held| held.value.clone()).collect();
        if addresses.is_empty() {
            return None;
        }
        if family == Family::V6 {
            link_local_first(self.id.value, &mut addresses);
        }
        let of = |found: &&Spanned<IpAddr>| Family::of(found.value) == family;
        let peers: Vec<_> = self.peers.iter().filter(of).map(|one| one.value).collect();
        let is_first = family == Family::V4 || self.of(Family::V4).next().is_none();
        let routes = self.routes.iter().filter(|route| {
            let of = Family::of(route.to.0);
            // A route of a family without addresses goes with the other one.
            of == family || is_first && self.of(of).next().is_none()
        });
        Some(VirtualRouter {
            id: self.id.value,
            family,
            version: common.version,
            interface: Arc::clone(&self.interface),
            source: self.sources.iter().find(of).map(|source| source.value),
            peers,
            interval: common.interval,
            addresses,
            routes: routes.cloned().collect(),
            auth: common.auth,
            checksum: common.checksum,
            least_hop_limit: common.least_hop_limit,
            virtual_mac: common.virtual_mac,
        })
    }
}

/// Puts the first link-local address that the adverts name in front, or adds one: RFC 9568, 5.2.9.
fn link_local_first(id: VirtualRouterId, addresses: &mut Vec<VirtualAddress>) {
    let is_link_local = |held: &VirtualAddress| match held.address {
        IpAddr::V6(v6) => v6.is_unicast_link_local() && held.advertised,
        IpAddr::V4(_) => false,
    };
    let first = match addresses.iter().position(is_link_local) {
        Some(index) => addresses.remove(index),
        None => VirtualAddress {
            derived: true,
            ..VirtualAddress::new(VirtualRouter::derived_link_local(id).into())
        },
    };
    addresses.insert(0, first);
}
