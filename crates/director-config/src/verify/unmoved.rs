//! Services whose connections cannot move to another director.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::{ForwardMethod, Protocol, ServiceKey};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{Declaration, Listen};
use super::super::source::{Span, Spanned};
use crate::state::DesiredService;

/// The port of FTP's commands, for which alone the kernel's helper (`ip_vs_ftp`) corrects sequence
/// numbers.
const FTP: u16 = 21;

/// Reports, once for each reason, services whose connections no director gets from another one.
pub(super) fn check(
    services: &BTreeMap<ServiceKey, Arc<DesiredService>>,
    listens: &[Spanned<Listen>],
    declaration: &Declaration,
    findings: &mut Findings,
) {
    let mut peers = declaration.addresses.peers.iter();
    let is_resynced = peers.any(|decl| decl.peer.resync.is_some());
    let is_synced = declaration.daemons.iter().flatten().next().is_some();
    if !is_resynced && !is_synced {
        return;
    }
    let of = |kind: Protocol, only: Option<u16>, nat: bool| {
        services.iter().find_map(|(key, service)| match *key {
            ServiceKey::Address { protocol, port, .. }
                if protocol == kind && only.is_none_or(|only| only == port) =>
            {
                let mut servers = service.servers.values();
                let fits =
                    !nat || servers.any(|one| one.server.forward == ForwardMethod::Masquerade);
                fits.then(|| place(listens, key)).flatten()
            }
            _ => None,
        })
    };
    if let Some(at) = of(Protocol::Tcp, Some(FTP), true) {
        let message = "FTP connections over NAT do not survive a failover";
        findings.push(
            Diagnostic::new(Code::PeerUnmoved, at, message)
                .help("`forward = \"dr\"` or a tunnel, where FTP's connections move as others do")
                .reason(
                    "no synchronisation carries the corrections of their sequence numbers, not \
                     even the kernel's",
                ),
        );
    }
    if let Some(at) = of(Protocol::Sctp, None, false).filter(|_| is_resynced) {
        let message = "SCTP connections are not transferred between directors";
        findings.push(
            Diagnostic::new(Code::PeerUnmoved, at, message)
                .reason("a [peer.NAME] transfers TCP and UDP"),
        );
    }
}

/// Where the file says that a service listens there.
fn place(listens: &[Spanned<Listen>], key: &ServiceKey) -> Option<Span> {
    let ServiceKey::Address {
        protocol,
        address,
        port,
    } = *key
    else {
        return None;
    };
    let is_of = |listen: &&Spanned<Listen>| match listen.value {
        Listen::Address {
            protocol: kind,
            address: at,
            first,
            last,
        } => (kind, at) == (protocol, address) && (first..=last).contains(&port),
        Listen::Fwmark { .. } => false,
    };
    listens.iter().find(is_of).map(|listen| listen.span)
}
