//! Real servers: their addresses, and their settings under a service.

use std::net::IpAddr;

use ipvs::{ForwardMethod, Server, ServerKey, Tunnel, TunnelFlags, TunnelKind};

use super::super::code::Code;
use super::super::decode::tunnel::forward_word;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{ServerDecl, ServiceDecl, TunnelDecl};
use super::super::source::{Span, Spanned};

/// Reports addresses that the kernel rejects for real servers (`ip_vs_new_dest`: neither unicast
/// nor local is `EINVAL`).
pub(super) fn check_addresses(servers: &[ServerDecl], findings: &mut Findings) {
    for address in servers.iter().flat_map(|server| &*server.addresses) {
        if let Some(kind) = not_unicast(address.value) {
            let message = format!("{} cannot be a real server's address", address.value);
            findings.push(
                Diagnostic::new(Code::NotUnicast, address.span, message)
                    .label(kind)
                    .reason("the kernel accepts unicast addresses only"),
            );
        }
        if matches!(address.value, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            let message = format!("{} is a link-local address", address.value);
            findings.push(
                Diagnostic::new(Code::LinkLocal, address.span, message)
                    .label("has no interface")
                    .reason("the kernel rejects it unless it is this machine's own"),
            );
        }
    }
}

/// The kind of an address that is not unicast.
pub(super) fn not_unicast(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
        // `inet_addr_type`: all of 0.0.0.0/8 counts as broadcast.
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("an address of \"this network\""),
        IpAddr::V6(v6) if v6.is_unspecified() => Some("the unspecified address"),
        // `__ipv6_addr_type` does not count these as unicast.
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("an IPv4 address in IPv6 clothes"),
        _ => None,
    }
}

/// A server entry under a service, with its inherited settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled<'d> {
    pub(super) decl: &'d ServerDecl,
    pub(super) forward: ForwardMethod,
    pub(super) tunnel: Tunnel,
}

impl<'d> Settled<'d> {
    /// Applies a service's settings to a server entry, and reports what does not fit together.
    pub(super) fn new(
        decl: &'d ServerDecl,
        service: &ServiceDecl,
        findings: &mut Findings,
    ) -> Self {
        let default = Spanned::new(ForwardMethod::DirectRoute, decl.span());
        let rest = decl.rest();
        let forward = rest.forward.or(service.forward).unwrap_or(default);
        let tunnelled = forward.value == ForwardMethod::Tunnel;
        // A service's tunnel applies to its tunnelled servers only.
        let inherited = service.tunnel.filter(|_| tunnelled);
        let tunnel = match rest.tunnel {
            Some(tunnel) => Some(tunnel.over(inherited)),
            None => inherited,
        };
        if let Some(tunnel) = &tunnel {
            check_tunnel(tunnel, service.as_is, findings);
        }
        if let (Some(tunnel), false) = (&rest.tunnel, tunnelled) {
            findings.push(idle_tunnel(tunnel.span, forward.value));
        }
        if forward.value.number() == 1 || forward.value.number() > 3 {
            let message = format!(
                "`{}` is a forwarding method for the kernel's internal use",
                forward_word(forward.value)
            );
            findings.push(
                Diagnostic::new(Code::OddForward, forward.span, message)
                    .label("not for configuration")
                    .help("use nat, dr or tun"),
            );
        }
        Self {
            decl,
            forward: forward.value,
            tunnel: tunnel.map_or(Tunnel::IPIP, |tunnel| tunnel.tunnel()),
        }
    }

    /// The server at one of its addresses, under a service with this port.
    pub(super) fn at(&self, address: IpAddr, service_port: u16) -> Server {
        let port = self.decl.port().map_or(service_port, |port| port.value);
        let rest = self.decl.rest();
        Server::new(ServerKey::new(address, port), self.forward)
            .weight(self.decl.weight)
            .thresholds(rest.upper, rest.lower)
            .tunnel(self.tunnel)
    }

    /// Reports a port that the packets would not go to: all methods but NAT keep a packet's port.
    pub(super) fn check_port(
        &self,
        ports: (u16, u16),
        listen: Span,
        as_is: bool,
        findings: &mut Findings,
    ) {
        let Some(port) = self.decl.port() else { return };
        let method = self.forward;
        if method == ForwardMethod::Masquerade || ports == (port.value, port.value) {
            return;
        }
        let method = forward_word(method);
        let message = format!("with `{method}` packets keep the service's port");
        let service = match ports {
            (0, _) => "all ports".to_owned(),
            (first, last) if first == last => format!("port {first}"),
            (first, last) => format!("ports {first} to {last}"),
        };
        findings.push(
            Diagnostic::new(Code::ServerPort, port.span, message)
                .label(format!("port {} would never be used", port.value))
                .also(listen, service)
                .help("leave out the server's port, or use `forward = \"nat\"`")
                .unless_as_is(as_is),
        );
    }
}

pub(super) fn idle_tunnel(span: Span, forward: ForwardMethod) -> Diagnostic {
    let message = format!("`{}` does not encapsulate packets", forward_word(forward));
    Diagnostic::new(Code::OddTunnel, span, message)
        .label("the kernel stores this without using it")
        .help("`forward = \"tun\"`, or leave out `tunnel`")
}

/// `ip_vs_genl_parse_dest` and `ip_vs_add_dest` only check that GUE has a port.
fn check_tunnel(tunnel: &TunnelDecl, as_is: bool, findings: &mut Findings) {
    let kind = tunnel.kind.map_or(TunnelKind::Ipip, |kind| kind.value);
    let at = tunnel.kind.map_or(tunnel.span, |kind| kind.span);
    let port = tunnel.port.filter(|port| port.value != 0);
    let name = match kind {
        TunnelKind::Ipip => "ipip",
        TunnelKind::Gue => "gue",
        TunnelKind::Gre => "gre",
        TunnelKind::Other(number) => {
            let message = format!("this version does not know the tunnel type {number}");
            findings.push(
                Diagnostic::new(Code::OddTunnel, at, message).label("a newer kernel may have it"),
            );
            return;
        }
    };
    let option = |place: Span, what: &str| {
        let message = format!("`{name}` has no {what}");
        Diagnostic::new(Code::TunnelOption, place, message)
            .label("the kernel would ignore it")
            .unless_as_is(as_is)
    };
    match (kind, port) {
        (TunnelKind::Gue, None) => findings.push(
            Diagnostic::new(Code::TunnelPort, at, "a GUE tunnel needs a port")
                .label("no port")
                .help("tunnel = { type = \"gue\", port = 6080 }")
                .reason("the kernel rejects it otherwise"),
        ),
        (TunnelKind::Ipip | TunnelKind::Gre, Some(port)) => {
            findings.push(option(port.span, "port"));
        }
        _ => {}
    }
    let Some(flags) = tunnel.flags else { return };
    let allowed = match kind {
        TunnelKind::Gue => TunnelFlags::CSUM | TunnelFlags::REMCSUM,
        TunnelKind::Gre => TunnelFlags::CSUM,
        _ => TunnelFlags::NONE,
    };
    if !allowed.contains(flags.value) {
        let what = match flags.value {
            TunnelFlags::REMCSUM => "remote checksum",
            TunnelFlags::CSUM => "checksum",
            _ => "such flags",
        };
        findings.push(option(flags.span, what));
    }
}
