//! Services on several ports, whose clients stick to a server on each port separately.

use std::net::IpAddr;

use ipvs::Protocol;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{Listen, ServiceDecl};
use super::super::source::Spanned;
use super::service::ports;

/// Reports persistence, or a Maglev hash, over several ports of one address.
///
/// Each port is a service of its own in the kernel. A template belongs to one of them, and `mh`
/// hashes the servers' ports, too (`ip_vs_mh_permutate`), so that its tables differ. `sh` only uses
/// the order of the servers: it joins the ports while the same servers are up on both.
pub(super) fn check(service: &ServiceDecl, findings: &mut Findings) {
    let persistence = service.persistence.as_ref();
    let persistence = persistence.filter(|said| said.is_enabled());
    let scheduler = &service.scheduler;
    let name = scheduler.value.name;
    let (span, label) = match persistence {
        _ if name == "sh" => return,
        Some(persistence) => (persistence.span, "on each port separately"),
        None if name == "mh" => (scheduler.span, "hashes the servers' ports, too"),
        None => return,
    };
    let Some((first, second)) = two_ports(&service.listen) else {
        return;
    };
    let message = "a client may get different servers on the ports of this service";
    let finding = Diagnostic::new(Code::StickyPorts, span, message)
        .label(label)
        .help(
            "what joins ports: `persistence` on a firewall mark, listen = \"fwmark://7\", or on all \
             ports, \"tcp://192.0.2.10\"; or the scheduler `sh`",
        )
        .reason("each port is a service of its own in the kernel; docs/lvs.md has examples");
    findings.push(match second {
        Some(second) => finding
            .also(first.span, "one port")
            .also(second.span, "another"),
        None => finding.also(first.span, "several ports"),
    });
}

/// Two listen addresses that differ in the port only, or one with a range of ports.
fn two_ports(listen: &[Spanned<Listen>]) -> Option<(&Spanned<Listen>, Option<&Spanned<Listen>>)> {
    let place = |listen: &Listen| -> Option<(Protocol, IpAddr)> {
        match listen {
            Listen::Address {
                protocol, address, ..
            } => Some((*protocol, *address)),
            Listen::Fwmark { .. } => None,
        }
    };
    listen.iter().enumerate().find_map(|(index, one)| {
        let at = place(&one.value)?;
        let (first, last) = ports(&one.value);
        if first != last {
            return Some((one, None));
        }
        let mut others = listen[index + 1..].iter();
        let other = others.find(|other| place(&other.value) == Some(at))?;
        Some((one, Some(other)))
    })
}
