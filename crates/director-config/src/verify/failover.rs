//! How failover and address sections fit each other, and the services.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{AddressDecls, Listen};
use super::super::source::{Span, Spanned};
use super::super::suggest::nearest;
use crate::state::failover::{AnnouncedVia, Failovers, PeerProof};

/// What the services are.
pub(super) struct Declared<'d> {
    pub(super) names: BTreeSet<&'d str>,
    pub(super) listens: &'d [Spanned<Listen>],
    /// Whether these are all services: of a partial reading, or after a mistake, they are not.
    pub(super) is_whole: bool,
    /// Whether there is a backup sync daemon.
    pub(super) takes_sync: bool,
    /// Where the connections are relayed to peers.
    pub(super) relay: Option<Span>,
}

/// Checks the sections and brings them into their final form.
pub(super) fn failovers(
    decls: AddressDecls,
    declared: &Declared<'_>,
    findings: &mut Findings,
) -> Failovers {
    check_ids(&decls, findings);
    check_peers(&decls, findings);
    let held = check_addresses(&decls, findings);
    check_interfaces(&decls, findings);
    if declared.is_whole {
        check_services(&decls, declared, findings);
        check_resync(&decls, declared, findings);
        check_relay(&decls, declared, findings);
        check_listens(&decls, &held, declared, findings);
    }
    let failovers = decls.failovers.into_iter();
    let addresses = decls.held.into_iter();
    Failovers {
        failovers: failovers.map(|decl| Arc::new(decl.failover)).collect(),
        held: addresses.map(|decl| Arc::new(decl.held)).collect(),
        peers: decls
            .peers
            .into_iter()
            .map(|decl| Arc::new(decl.peer))
            .collect(),
        relays: declared.relay.is_some(),
        announced: decls
            .announced
            .into_iter()
            .map(|decl| Arc::new(decl.announced))
            .collect(),
        machine: decls.machine,
    }
}

/// One id on one interface and in one family belongs to one virtual router.
fn check_ids(decls: &AddressDecls, findings: &mut Findings) {
    let mut seen: HashMap<_, Span> = HashMap::new();
    for decl in &decls.failovers {
        for (router, span) in decl.failover.routers.iter().zip(&decl.ids) {
            // The name and the MAC address of a virtual interface follow from the id alone.
            let interface = router.virtual_interface();
            let interface = interface.unwrap_or_else(|| Arc::clone(&router.interface));
            let key = (interface, router.family, router.id);
            let Some(first) = seen.get(&key) else {
                seen.insert(key, *span);
                continue;
            };
            let on = if router.virtual_mac {
                "with a virtual MAC address".to_owned()
            } else {
                format!("on `{}`", router.interface)
            };
            let message = format!("two virtual routers have the id {} {on}", router.id);
            findings.push(
                Diagnostic::new(Code::DuplicateRouter, *span, message)
                    .label("the second one")
                    .also(*first, "the first one")
                    .help("another id, the same on all directors"),
            );
        }
    }
}

/// Peers have addresses of their own that never move, and share one key.
fn check_peers(decls: &AddressDecls, findings: &mut Findings) {
    let mut seen: HashMap<IpAddr, Span> = HashMap::new();
    let held: HashMap<IpAddr, Span> = decls
        .failovers
        .iter()
        .flat_map(|decl| &decl.addresses)
        .map(|held| (held.value, held.span))
        .collect();
    for decl in &decls.peers {
        let address = decl.address.value;
        if let Some(first) = seen.insert(address, decl.address.span) {
            let message = format!("two peers have the address `{address}`");
            findings.push(
                Diagnostic::new(Code::FailoverPeer, decl.address.span, message)
                    .label("the second one")
                    .also(first, "the first one"),
            );
        }
        if let Some(held) = held.get(&address) {
            let message = format!("the peer's address `{address}` is a virtual address");
            findings.push(
                Diagnostic::new(Code::FailoverPeer, decl.address.span, message)
                    .also(*held, "which moves")
                    .help("an address that always belongs to one machine"),
            );
        }
    }
    let mut peers = decls.peers.iter();
    if let Some(first) = peers.next()
        && let Some(other) = peers.find(|decl| !decl.peer.proof.is_of_one_group(&first.peer.proof))
    {
        let (message, help) = match (&first.peer.proof, &other.peer.proof) {
            (PeerProof::Key(_), PeerProof::Key(_)) => (
                "the peers have different keys",
                "one key for all directors of the group, in the same file on each",
            ),
            (PeerProof::Certificates(_), PeerProof::Certificates(_)) => (
                "the peers have different certificates",
                "on each director one certificate, one key and one list of authorities for all peers, in the \
                 same files; only `name` can differ",
            ),
            _ => (
                "one peer has a key, another one certificates",
                "the same for all directors of the group",
            ),
        };
        findings.push(
            Diagnostic::new(Code::FailoverPeer, other.proof_at, message)
                .also(first.proof_at, "the first one")
                .help(help),
        );
    }
    for decl in &decls.failovers {
        if decl.failover.synced.is_some() && decls.peers.is_empty() {
            let message = "`preempt` waits for connections, and no peer sends any";
            findings.push(
                Diagnostic::new(Code::FailoverPeer, decl.at, message)
                    .help("a [peer.NAME] for each director"),
            );
        }
    }
}

/// The connections of peers reach the table by way of the backup sync daemon.
fn check_resync(decls: &AddressDecls, declared: &Declared<'_>, findings: &mut Findings) {
    let mut wanted = decls.peers.iter().filter(|decl| decl.peer.resync.is_some());
    if let Some(decl) = wanted.next().filter(|_| !declared.takes_sync) {
        let message = "without a backup sync daemon, no connections of peers reach the own table";
        findings.push(
            Diagnostic::new(Code::PeerSync, decl.address.span, message).help(
                "`sync = { role = \"backup\", interface = \"lo\" }`, or `resync = false` for each peer",
            ),
        );
    }
}

/// The relay sends connections to peers.
fn check_relay(decls: &AddressDecls, declared: &Declared<'_>, findings: &mut Findings) {
    if let Some(at) = declared.relay.filter(|_| decls.peers.is_empty()) {
        let message = "`relay` without peers";
        findings.push(
            Diagnostic::new(Code::SyncRelay, at, message).help("a [peer.NAME] for each director"),
        );
    }
}

/// The addresses that sections hold, each by one of them.
fn check_addresses(decls: &AddressDecls, findings: &mut Findings) -> HashMap<IpAddr, Span> {
    let mut seen: HashMap<IpAddr, Span> = HashMap::new();
    let of_failovers = decls.failovers.iter().flat_map(|decl| &decl.addresses);
    let of_held = decls.held.iter().flat_map(|decl| &decl.addresses);
    let of_announced = decls.announced.iter().flat_map(|decl| &decl.addresses);
    for address in of_failovers.chain(of_held).chain(of_announced) {
        if let Some(first) = seen.get(&address.value) {
            let message = format!("`{}` is held twice", address.value);
            findings.push(
                Diagnostic::new(Code::DuplicateAddress, address.span, message)
                    .label("the second time")
                    .also(*first, "the first time"),
            );
        } else {
            seen.insert(address.value, address.span);
        }
    }
    seen
}

/// On one interface, addresses stand either for announcements or for routes: a routing daemon that
/// reads the addresses would announce those of the others as well.
fn check_interfaces(decls: &AddressDecls, findings: &mut Findings) {
    let mut seen: HashMap<&Arc<str>, (bool, Span)> = HashMap::new();
    for decl in &decls.announced {
        let by_address = decl.announced.via == AnnouncedVia::Address;
        let interface = &decl.announced.interface;
        match seen.get(interface) {
            Some((other, first)) if *other != by_address => {
                let message = format!("`{interface}` has addresses and routes to announce");
                findings.push(
                    Diagnostic::new(Code::EitherOr, decl.at, message)
                        .label("a section with another `via`")
                        .also(*first, "the first one")
                        .help("another `interface` in one of them")
                        .reason(
                            "a daemon that reads the interface would announce the addresses of both",
                        ),
                );
            }
            Some(_) => {}
            None => {
                seen.insert(interface, (by_address, decl.at));
            }
        }
    }
}

/// Every announcement follows a service: one that it names, or one that listens on its addresses.
fn check_followed(decls: &AddressDecls, used: &BTreeSet<IpAddr>, findings: &mut Findings) {
    for decl in &decls.announced {
        let mut addresses = decl.announced.addresses.iter();
        if !decl.services.is_empty() || addresses.any(|address| used.contains(address)) {
            continue;
        }
        let message = "no service listens on the addresses of this section";
        findings.push_missing(
            Diagnostic::new(Code::UnknownService, decl.at, message)
                .label("nothing says when to announce them")
                .help("follow = { services = [\"web\"] }"),
        );
    }
}

/// The services that `follow` and `track` name exist.
fn check_services(decls: &AddressDecls, declared: &Declared<'_>, findings: &mut Findings) {
    let named = decls.failovers.iter().flat_map(|decl| &decl.services);
    let named = named.chain(decls.announced.iter().flat_map(|decl| &decl.services));
    for service in named.filter(|service| !declared.names.contains(&*service.value)) {
        let message = format!("there is no service `{}`", service.value);
        let mistake = Diagnostic::new(Code::UnknownService, service.span, message);
        let near = nearest(&service.value, declared.names.iter().copied());
        findings.push_missing(match near {
            Some(near) => mistake.label(format!("did you mean `{near}`?")),
            None => mistake,
        });
    }
}

/// A section whose addresses no service uses, and listen addresses that no section holds.
///
/// A service behind a firewall mark may use any address, and a router for the inside network of NAT
/// has no service: its section does.
fn check_listens(
    decls: &AddressDecls,
    held: &HashMap<IpAddr, Span>,
    declared: &Declared<'_>,
    findings: &mut Findings,
) {
    let mut used = BTreeSet::new();
    let mut uncovered: Vec<Spanned<IpAddr>> = Vec::new();
    let mut has_marks = false;
    for listen in declared.listens {
        let Listen::Address { address, .. } = listen.value else {
            has_marks = true;
            continue;
        };
        used.insert(address);
        if !held.contains_key(&address) && !uncovered.iter().any(|one| one.value == address) {
            uncovered.push(Spanned::new(address, listen.span));
        }
    }
    check_followed(decls, &used, findings);
    if used.is_empty() || has_marks {
        return;
    }
    let of_failovers = decls
        .failovers
        .iter()
        .map(|decl| (decl.at, &decl.addresses));
    let of_held = decls.held.iter().map(|decl| (decl.at, &decl.addresses));
    let of_announced = decls.announced.iter();
    let of_announced = of_announced.filter(|decl| !decl.services.is_empty());
    let of_announced = of_announced.map(|decl| (decl.at, &decl.addresses));
    for (at, addresses) in of_failovers.chain(of_held).chain(of_announced) {
        if addresses
            .iter()
            .any(|address| used.contains(&address.value))
            || addresses.is_empty()
        {
            continue;
        }
        let message = "no service listens on the addresses of this section";
        findings.push(Diagnostic::new(Code::IdleAddress, at, message));
    }
    if let (Some(first), false) = (uncovered.first(), held.is_empty()) {
        let others = match uncovered.len() - 1 {
            0 => String::new(),
            1 => ", and another one".to_owned(),
            more => format!(", and {more} others"),
        };
        let message = format!("no section holds the address `{}`{others}", first.value);
        findings.push(
            Diagnostic::new(Code::UncoveredListen, first.span, message)
                .label("a service listens on it")
                .help("add it to a [failover.NAME], an [announce.NAME] or an [address.NAME]")
                .reason(
                    "other listen addresses move with a section; this one stays where it is \
                     configured",
                ),
        );
    }
}
