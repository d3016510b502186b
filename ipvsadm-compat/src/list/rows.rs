//! The rows of `-L`: a service, then its servers.

use std::io::{self, Write};

use ipvs::{
    ForwardMethod, Netmask, ServerEntry, Service, ServiceEntry, ServiceFlags, ServiceKey, Tunnel,
    TunnelFlags, TunnelKind,
};

use super::endpoint::{Endpoints, number_padded, put};
use super::numbers::counter;
use crate::args::{List, View};

/// The displayed length of an IPv4 service's name, in bytes, including the protocol.
const SERVICE_NAME: usize = 33;
/// The displayed length of an IPv4 server's name, in bytes.
const SERVER_NAME: usize = 28;
/// The prefix of a server's name.
const ARROW: &[u8] = b"  -> ";

/// Writes rows, each with one write.
pub(super) struct Rows<'a> {
    view: View,
    exact: bool,
    endpoints: Endpoints<'a>,
    out: &'a mut dyn Write,
    row: Vec<u8>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(list: &List, endpoints: Endpoints<'a>, out: &'a mut dyn Write) -> Self {
        Self {
            view: list.view,
            exact: list.exact,
            endpoints,
            out,
            row: Vec::with_capacity(160),
        }
    }

    pub(super) fn service(&mut self, entry: &ServiceEntry) -> io::Result<()> {
        self.row.clear();
        let service = &entry.service;
        self.service_name(&service.key);
        match self.view {
            View::Stats => {
                self.pad(SERVICE_NAME);
                let total = entry.stats.total;
                self.counters([
                    total.connections,
                    total.packets_in,
                    total.packets_out,
                    total.bytes_in,
                    total.bytes_out,
                ]);
            }
            View::Rate => {
                self.pad(SERVICE_NAME);
                let rate = entry.stats.rate;
                self.counters([
                    rate.connections,
                    rate.packets_in,
                    rate.packets_out,
                    rate.bytes_in,
                    rate.bytes_out,
                ]);
            }
            View::Plain | View::Thresholds | View::PersistentConn | View::TunInfo => {
                settings(service, &mut self.row);
            }
        }
        self.end()
    }

    /// `TCP  10.0.0.1:80`, `FWM  5`, `FWM  6 IPv6`.
    fn service_name(&mut self, key: &ServiceKey) {
        match *key {
            ServiceKey::Fwmark { family, mark } => {
                let family = match family {
                    ipvs::Family::V4 => "",
                    ipvs::Family::V6 => " IPv6",
                };
                put(&mut self.row, format_args!("FWM  {mark}{family}"));
            }
            ServiceKey::Address {
                protocol,
                address,
                port,
            } => {
                let name = match protocol {
                    ipvs::Protocol::Tcp => "TCP",
                    ipvs::Protocol::Udp => "UDP",
                    ipvs::Protocol::Sctp => "SCTP",
                };
                put(&mut self.row, format_args!("{name:<4} "));
                self.endpoints
                    .append(address, port, Some(protocol), &mut self.row);
                if address.is_ipv4() {
                    self.row.truncate(SERVICE_NAME);
                }
            }
        }
    }

    /// Writes a server of the service with this key.
    pub(super) fn server(&mut self, key: &ServiceKey, entry: &ServerEntry) -> io::Result<()> {
        let server = &entry.server;
        self.row.clear();
        self.row.extend_from_slice(ARROW);
        self.endpoints.append(
            server.key.address,
            server.key.port,
            key.protocol(),
            &mut self.row,
        );
        if server.key.address.is_ipv4() {
            self.row.truncate(ARROW.len() + SERVER_NAME);
        }
        self.pad(ARROW.len() + SERVER_NAME);
        let forward = forward_name(server.forward);
        let (weight, active, inactive) = (server.weight, entry.active, entry.inactive);
        match self.view {
            View::Plain => {
                put_padded(forward, 7, &mut self.row);
                for (value, width) in [(weight.get(), 6), (active, 10), (inactive, 10)] {
                    self.row.push(b' ');
                    number_padded(value.into(), width, &mut self.row);
                }
            }
            View::TunInfo => {
                let tunnel = match server.forward {
                    ForwardMethod::Tunnel => tunnel_info(&server.tunnel),
                    _ => "n/a".to_owned(),
                };
                put(
                    &mut self.row,
                    format_args!(
                        " {forward:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}"
                    ),
                );
            }
            View::Thresholds => put(
                &mut self.row,
                format_args!(
                    " {:<10} {:<10} {active:<10} {inactive:<10}",
                    server.upper_threshold, server.lower_threshold
                ),
            ),
            View::PersistentConn => put(
                &mut self.row,
                format_args!(
                    " {weight:<9} {:<11} {active:<10} {inactive:<10}",
                    entry.persistent
                ),
            ),
            View::Stats => {
                let total = entry.stats.total;
                self.counters([
                    total.connections,
                    total.packets_in,
                    total.packets_out,
                    total.bytes_in,
                    total.bytes_out,
                ]);
            }
            View::Rate => {
                // 1.31 never abbreviates the first three here.
                let rate = entry.stats.rate;
                for value in [rate.connections, rate.packets_in, rate.packets_out] {
                    put(&mut self.row, format_args!(" {value:>8}"));
                }
                counter(rate.bytes_in, self.exact, &mut self.row);
                counter(rate.bytes_out, self.exact, &mut self.row);
            }
        }
        self.end()
    }

    fn counters(&mut self, values: [u64; 5]) {
        for value in values {
            counter(value, self.exact, &mut self.row);
        }
    }

    /// Fills the row with blanks up to a width.
    fn pad(&mut self, width: usize) {
        self.row.resize(self.row.len().max(width), b' ');
    }

    fn end(&mut self) -> io::Result<()> {
        self.row.push(b'\n');
        self.out.write_all(&self.row)
    }
}

/// Appends a blank, a word, and blanks up to a width.
fn put_padded(word: &str, width: usize, row: &mut Vec<u8>) {
    row.push(b' ');
    let end = row.len() + width;
    row.extend_from_slice(word.as_bytes());
    row.resize(row.len().max(end), b' ');
}

/// Scheduler, flags, persistence.
fn settings(service: &Service, row: &mut Vec<u8>) {
    row.push(b' ');
    row.extend_from_slice(service.scheduler.as_bytes());
    let flags = scheduler_flags(service);
    if !flags.is_empty() {
        put(row, format_args!(" ({})", flags.join(",")));
    }
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        put(row, format_args!(" persistent {}", service.timeout));
        if let Some(mask) = mask(service) {
            put(row, format_args!(" mask {mask}"));
        }
        if let Some(engine) = service.engine {
            row.extend_from_slice(b" pe ");
            row.extend_from_slice(engine.as_bytes());
        }
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        row.extend_from_slice(b" ops");
    }
}

/// The mask of a service, unless it separates all clients.
pub(super) fn mask(service: &Service) -> Option<Netmask> {
    let widest = Netmask::host(service.key.family());
    (service.netmask != widest).then_some(service.netmask)
}

/// The names of the scheduler flags that are set, as `-b` accepts them. The third flag has no name
/// under schedulers that name the other two.
pub(super) fn scheduler_flags(service: &Service) -> Vec<&'static str> {
    let names: &[&str] = if service.scheduler == "sh" {
        &["sh-fallback", "sh-port"]
    } else if service.scheduler == "mh" {
        &["mh-fallback", "mh-port"]
    } else {
        &["flag-1", "flag-2", "flag-3"]
    };
    let bits = [
        ServiceFlags::SCHED_1,
        ServiceFlags::SCHED_2,
        ServiceFlags::SCHED_3,
    ];
    let set = |flag: &ServiceFlags| service.flags.contains(*flag);
    let named = names.iter().copied().zip(bits);
    named
        .filter(|(_, flag)| set(flag))
        .map(|(name, _)| name)
        .collect()
}

fn forward_name(forward: ForwardMethod) -> &'static str {
    match forward {
        ForwardMethod::Masquerade => "Masq",
        ForwardMethod::Local => "Local",
        ForwardMethod::Tunnel => "Tunnel",
        ForwardMethod::DirectRoute => "Route",
        ForwardMethod::Bypass | ForwardMethod::Other(_) => "(null)",
    }
}

/// `ipip`, `gue:6080:+c`, `gre:-c`.
fn tunnel_info(tunnel: &Tunnel) -> String {
    let checksum = if tunnel.flags.contains(TunnelFlags::CSUM) {
        "+c"
    } else {
        "-c"
    };
    match tunnel.kind {
        TunnelKind::Ipip => "ipip".to_owned(),
        TunnelKind::Gue if tunnel.flags.contains(TunnelFlags::REMCSUM) => {
            format!("gue:{}:r+c", tunnel.port)
        }
        TunnelKind::Gue => format!("gue:{}:{checksum}", tunnel.port),
        TunnelKind::Gre => format!("gre:{checksum}"),
        TunnelKind::Other(_) => "(null)".to_owned(),
    }
}
