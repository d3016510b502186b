//! One virtual service: from its declaration to one entry per listen address and port.

use std::collections::HashMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{Family, ForwardMethod, Protocol, Service, ServiceFlags, ServiceKey};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{Declaration, Listen, Pools, ServersDecl, ServiceDecl};
use super::super::resolve::{self, Candidate, Taken};
use super::super::source::{Span, Spanned};
use super::super::suggest::nearest;
use super::health::Health;
use super::server::{self, Settled};
use super::{Builder, persistence, pool_of, scheduler, servers_of, sticky, whole};
use crate::state::discovery::Absent;
use crate::state::{DesiredServer, DesiredService, Servers};
use crate::words::count;

/// The most servers, counted once for every service that has them; no intended table has more,
/// since a range of ports multiplies its servers.
pub(crate) const MAX_SERVERS: usize = 2_000_000;

/// Builds a service into the table.
pub(super) fn build(
    service: &ServiceDecl,
    declaration: &Declaration,
    builder: &mut Builder<'_>,
    findings: &mut Findings,
) {
    let pools = &declaration.pools;
    let flags = scheduler::flags(service, findings);
    persistence::check(service, findings);
    sticky::check(service, findings);
    check_listen(service, findings);
    builder.whole.service(service, declaration, findings);
    whole::check_marks(service, declaration, findings);
    let Some((list, pool)) = servers_of(service, pools) else {
        report_unknown_pool(service, pools, builder, findings);
        return;
    };
    if pool.is_none() {
        server::check_addresses(&list.servers, findings);
    }
    let servers = list.servers.iter();
    let settled: Vec<_> = servers
        .map(|server| Settled::new(server, service, findings))
        .collect();
    let tunnelled = |server: &&Settled<'_>| server.forward == ForwardMethod::Tunnel;
    if let (Some(tunnel), Some(first), true) =
        (&service.tunnel, settled.first(), service.says_tunnel)
        && settled.iter().find(tunnelled).is_none()
    {
        findings.push(server::idle_tunnel(tunnel.span, first.forward));
    }
    let shares = Shares::new(service, &settled);
    builder.whole.pool_use(pool, list.servers.len(), &shares);
    let mut reported = false;
    if pool.is_none() && service.listens_all {
        reported = report_other_family(&settled, &shares, findings);
    }
    check_weights(service, &settled, &shares, findings);
    let drain = drain_of(service, pools);
    let health = Health::new(service, &settled, declaration, builder, findings);
    let name: Arc<str> = service.name.value.as_str().into();
    for listen in &service.listen {
        let taken = shares.at(&listen.value);
        if taken.is_empty() && list.complete && !reported {
            findings.push(no_server(service, listen));
        }
        builder.whole.mixed(listen, taken, &settled);
        let ports = ports(&listen.value);
        if let Listen::Address { .. } = listen.value {
            for server in taken {
                settled[server.entry()].check_port(ports, listen.span, service.as_is, findings);
            }
        }
        health.check_listen(service, listen, taken, &settled, builder, findings);
        let numbers = usize::from(ports.1 - ports.0) + 1;
        let servers = taken.len() + health.extra(&listen.value);
        builder.servers += numbers * servers.max(1);
        if builder.servers > MAX_SERVERS {
            let message = format!("the file expands to more than {MAX_SERVERS} servers");
            findings.push(
                Diagnostic::new(Code::TooLarge, listen.span, message)
                    .label(format!(
                        "{} with {} each",
                        count(numbers, "port", "ports"),
                        count(servers, "server", "servers")
                    ))
                    .help("one service for a firewall mark, or for all ports, can replace many"),
            );
            return;
        }
        for port in ports.0..=ports.1 {
            let key = key(&listen.value, port);
            let MapEntry::Vacant(place) = builder.services.entry(key) else {
                report_listened_twice(&key, port, listen.span, &builder.listens, findings);
                break;
            };
            let servers = place_servers(&key, taken, &settled, findings);
            let kernel = Service::new(key, service.scheduler.value.name).with_flags(flags);
            let kernel = match service.one_packet {
                Some(_) => kernel.with_flags(ServiceFlags::ONE_PACKET),
                None => kernel,
            };
            let entry = DesiredService {
                name: name.clone(),
                service: persistence::apply(service.persistence.as_ref(), kernel),
                servers,
                drain,
                dead: Vec::new(),
                allow: service.allow_machine,
            };
            let regular = &entry.servers;
            let watch = health.under(&key, &listen.value, taken, &settled, regular, findings);
            builder.watched.push((key, watch));
            place.insert(Arc::new(entry));
        }
        builder.listens.push(*listen);
    }
}

/// Reports a service key that an earlier entry of `listens` already has.
#[cold]
fn report_listened_twice(
    key: &ServiceKey,
    port: u16,
    again: Span,
    listens: &[Spanned<Listen>],
    findings: &mut Findings,
) {
    let message = format!("two services listen on {key}");
    let found = Diagnostic::new(Code::DuplicateListen, again, message).label("the second time");
    let first = listens.iter().find(|listen| {
        let (from, to) = ports(&listen.value);
        (from..=to).contains(&port) && self::key(&listen.value, port) == *key
    });
    findings.push(match first {
        Some(first) => found.also(first.span, "the first time"),
        None => found,
    });
}

/// The servers of the listen addresses of each family.
pub(super) struct Shares {
    v4: Vec<Taken>,
    v6: Vec<Taken>,
}

impl Shares {
    pub(super) fn new(service: &ServiceDecl, settled: &[Settled<'_>]) -> Self {
        let families: Vec<_> = service
            .listen
            .iter()
            .map(|listen| family(&listen.value))
            .collect();
        let candidates = settled.iter().map(|server| Candidate {
            addresses: &server.decl.addresses,
            tunnelled: server.forward == ForwardMethod::Tunnel,
        });
        let of = |family| {
            if !families.contains(&family) {
                return Vec::new();
            }
            let address = |address: &Spanned<_>| address.value;
            resolve::taken(family, &families, candidates.clone(), address)
        };
        Self {
            v4: of(Family::V4),
            v6: of(Family::V6),
        }
    }

    /// The servers of a listen address.
    pub(super) fn at(&self, listen: &Listen) -> &[Taken] {
        self.of(family(listen))
    }

    fn of(&self, family: Family) -> &[Taken] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// The entries that any listen address gets.
    pub(super) fn entries(&self) -> impl Iterator<Item = usize> {
        self.v4.iter().chain(&self.v6).map(|taken| taken.entry())
    }
}

/// The servers of one service key.
pub(super) fn place_servers(
    key: &ServiceKey,
    taken: &[Taken],
    settled: &[Settled<'_>],
    findings: &mut Findings,
) -> Servers<DesiredServer> {
    let service_port = resolve::service_port(key);
    let servers = taken.iter().map(|taken| {
        let entry = &settled[taken.entry()];
        let address = entry.decl.addresses[taken.address()];
        let name = entry.decl.rest().name.as_ref();
        DesiredServer {
            name: name.map(|name| Arc::new(name.value.clone())),
            server: entry.at(address.value, service_port),
        }
    });
    let servers: Servers<_> = servers.collect();
    if servers.len() < taken.len() {
        report_twice(service_port, taken, settled, findings);
    }
    servers
}

/// Reports servers that one service key gets twice.
#[cold]
fn report_twice(
    service_port: u16,
    taken: &[Taken],
    settled: &[Settled<'_>],
    findings: &mut Findings,
) {
    let mut places = HashMap::with_capacity(taken.len());
    for taken in taken {
        let entry = &settled[taken.entry()];
        let address = entry.decl.addresses[taken.address()];
        let key = entry.at(address.value, service_port).key;
        if let Some(first) = places.insert(key, address.span) {
            let message = format!("duplicate server {key} in this service");
            findings.push(
                Diagnostic::new(Code::DuplicateServer, address.span, message)
                    .label("the second time")
                    .also(first, "the first time")
                    .help("a larger `weight` gives a server a larger share"),
            );
        }
    }
}

fn check_listen(service: &ServiceDecl, findings: &mut Findings) {
    let as_is = service.as_is;
    let persistent = service
        .persistence
        .as_ref()
        .is_some_and(|persistence| persistence.is_enabled());
    for listen in &service.listen {
        let Listen::Address {
            protocol,
            address,
            first,
            ..
        } = listen.value
        else {
            continue;
        };
        if let Some(kind) = server::not_unicast(address) {
            let message = format!("packets cannot be sent to {address}");
            findings.push(
                Diagnostic::new(Code::OddListen, listen.span, message)
                    .label(kind)
                    .reason(
                        "the kernel accepts it, but balances only packets to its own unicast \
                             addresses",
                    ),
            );
        }
        if let (Some(one_packet), true) = (service.one_packet, protocol != Protocol::Udp) {
            let message = format!("one-packet scheduling has no effect on {protocol}");
            findings.push(
                Diagnostic::new(Code::OnePacket, one_packet, message)
                    .label("for UDP only")
                    .also(listen.span, format!("{protocol} here"))
                    .help("move the UDP addresses to another service")
                    .unless_as_is(as_is),
            );
        }
        if first == 0 && !persistent {
            findings.push(
                Diagnostic::new(
                    Code::ZeroPort,
                    listen.span,
                    "a service for all ports needs persistence",
                )
                .label("no port")
                .help("give a port, or set `persistence = \"5m\"`")
                .reason(
                    "without persistence, connections of one client to two ports would go to \
                         two servers",
                )
                .unless_as_is(as_is),
            );
        }
    }
}

fn report_unknown_pool(
    service: &ServiceDecl,
    pools: &Pools,
    builder: &mut Builder<'_>,
    findings: &mut Findings,
) {
    let ServersDecl::Pool(pool) = &service.servers else {
        return;
    };
    let message = format!("no pool `{}`", super::super::decode::shown(&pool.value));
    let mistake = Diagnostic::new(Code::UnknownPool, pool.span, message);
    let names = pools.iter().map(|pool| pool.name.value.as_str());
    // Bounded: two thousand wrong names among two thousand pools must not take their product.
    builder.unknown_pools += 1;
    let looks = if builder.unknown_pools <= 20 {
        10_000
    } else {
        0
    };
    let names = names.take(looks);
    findings.push_missing(match nearest(&pool.value, names) {
        Some(near) => mistake.label(format!("did you mean `{near}`?")),
        None => mistake.help("a pool is [pool.NAME] with `servers = [...]`"),
    });
}

/// Reports a service's own servers that none of its listen addresses gets.
fn report_other_family(settled: &[Settled<'_>], shares: &Shares, findings: &mut Findings) -> bool {
    let mut used = vec![false; settled.len()];
    shares.entries().for_each(|entry| used[entry] = true);
    let mut reported = false;
    for (server, used) in settled.iter().zip(used) {
        let Some(address) = server.decl.addresses.first() else {
            continue;
        };
        if used {
            continue;
        }
        let family = Family::of(address.value);
        let message = format!("no listen address of this service can use {family} servers");
        findings.push(
            Diagnostic::new(Code::OtherFamily, address.span, message)
                .label(format!("an {family} address"))
                .help(format!(
                    "listen on an {family} address as well, or use `forward = \"tun\"`"
                ))
                .reason(
                    "only a tunnel can carry packets of one address family to servers of the other",
                ),
        );
        reported = true;
    }
    reported
}

fn no_server(service: &ServiceDecl, listen: &Spanned<Listen>) -> Diagnostic {
    let family = family(&listen.value);
    let message = format!("this {family} address has no real server");
    let mistake = Diagnostic::new(Code::NoServer, listen.span, message);
    let mistake = match &service.servers {
        ServersDecl::Pool(pool) => mistake
            .label(format!("no {family} server for it"))
            .also(pool.span, format!("this pool has no {family} address")),
        _ => mistake.label("`servers` has none for it"),
    };
    mistake
        .help(format!(
            "give it an {family} server; servers of the other family need `forward = \"tun\"`"
        ))
        .unless_as_is(service.as_is)
}

fn check_weights(
    service: &ServiceDecl,
    settled: &[Settled<'_>],
    shares: &Shares,
    findings: &mut Findings,
) {
    let weights = || {
        shares
            .entries()
            .map(|entry| settled[entry].decl.weight.get())
    };
    let Some(most) = weights().max() else {
        return;
    };
    let at = service.name.span;
    if most == 0 {
        let message = "every server of this service has weight 0";
        findings.push(
            Diagnostic::new(Code::ZeroWeights, at, message)
                .label("takes no new clients")
                .help("give one of them a weight"),
        );
    }
    let scheduler = &service.scheduler;
    let unweighted = ["rr", "lc", "dh"]
        .iter()
        .any(|name| scheduler.value.name == *name);
    let least = weights().filter(|weight| *weight != 0).min();
    let differing = least.is_some_and(|least| least != most);
    if unweighted && differing {
        let message = format!("`{}` ignores weights", scheduler.value.name);
        findings.push(
            Diagnostic::new(Code::IgnoredWeight, scheduler.span, message)
                .label("all servers get the same share")
                .also(at, "the servers' weights differ")
                .help(match scheduler.value.name {
                    name if name == "rr" => "`wrr` is the same with weights",
                    name if name == "lc" => "`wlc` is the same with weights",
                    _ => "`mh` uses weights",
                }),
        );
    }
}

pub(super) const fn family(listen: &Listen) -> Family {
    match listen {
        Listen::Address { address, .. } => match address {
            std::net::IpAddr::V4(_) => Family::V4,
            std::net::IpAddr::V6(_) => Family::V6,
        },
        Listen::Fwmark { family, .. } => *family,
    }
}

/// The ports of a listen address; 0 to 0 for all ports and for a mark.
pub(super) const fn ports(listen: &Listen) -> (u16, u16) {
    match listen {
        Listen::Address { first, last, .. } => (*first, *last),
        Listen::Fwmark { .. } => (0, 0),
    }
}

const fn key(listen: &Listen, port: u16) -> ServiceKey {
    match *listen {
        Listen::Address {
            protocol, address, ..
        } => ServiceKey::Address {
            protocol,
            address,
            port,
        },
        Listen::Fwmark { family, mark } => ServiceKey::fwmark(family, mark),
    }
}

/// How long a server that leaves keeps its connections.
fn drain_of(service: &ServiceDecl, pools: &Pools) -> Duration {
    let found = pool_of(service, pools).and_then(|pool| pool.discovery.as_ref());
    if found.is_some_and(|found| found.absent == Absent::Remove) {
        return Duration::ZERO;
    }
    service
        .drain
        .map_or(DesiredService::DEFAULT_DRAIN, |drain| drain.value)
}
