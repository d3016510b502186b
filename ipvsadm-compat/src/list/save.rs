//! The lines of `-S`: commands that rebuild the table.
//!
//! The field order is an interface: programs search these lines for ` -t V -s S ` and ` -t V -r R
//! -m -w W`.

use ipvs::{
    Family, ForwardMethod, Protocol, Server, Service, ServiceFlags, ServiceKey, TunnelFlags,
    TunnelKind,
};

use super::endpoint::{Endpoints, number, put};
use super::rows::{mask, scheduler_flags};

/// Appends the line that adds a service.
pub(super) fn service(service: &Service, endpoints: &mut Endpoints<'_>, row: &mut Vec<u8>) {
    row.extend_from_slice(b"-A ");
    name(&service.key, endpoints, row);
    row.extend_from_slice(b" -s ");
    row.extend_from_slice(service.scheduler.as_bytes());
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        put(row, format_args!(" -p {}", service.timeout));
        if let Some(mask) = mask(service) {
            put(row, format_args!(" -M {mask}"));
        }
    }
    if let Some(engine) = service.engine {
        row.extend_from_slice(b" --pe ");
        row.extend_from_slice(engine.as_bytes());
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        row.extend_from_slice(b" -o");
    }
    let flags = scheduler_flags(service);
    if !flags.is_empty() {
        put(row, format_args!(" -b {}", flags.join(",")));
    }
    row.push(b'\n');
}

/// Appends the line that adds a server to the service with this key.
pub(super) fn server(
    key: &ServiceKey,
    server: &Server,
    endpoints: &mut Endpoints<'_>,
    row: &mut Vec<u8>,
) {
    row.extend_from_slice(b"-a ");
    name(key, endpoints, row);
    row.extend_from_slice(b" -r ");
    endpoints.append(server.key.address, server.key.port, key.protocol(), row);
    let forward = match server.forward {
        ForwardMethod::Masquerade => "-m",
        ForwardMethod::Tunnel => "-i",
        ForwardMethod::DirectRoute | ForwardMethod::Local => "-g",
        ForwardMethod::Bypass | ForwardMethod::Other(_) => "(null)",
    };
    row.push(b' ');
    row.extend_from_slice(forward.as_bytes());
    row.extend_from_slice(b" -w ");
    number(server.weight.get().into(), row);
    if server.upper_threshold != 0 {
        put(row, format_args!(" -x {}", server.upper_threshold));
    }
    if server.lower_threshold != 0 {
        put(row, format_args!(" -y {}", server.lower_threshold));
    }
    if server.forward == ForwardMethod::Tunnel {
        tunnel(server, row);
    }
    row.push(b'\n');
}

fn tunnel(server: &Server, row: &mut Vec<u8>) {
    let tunnel = server.tunnel;
    let checksum = if tunnel.flags.contains(TunnelFlags::CSUM) {
        "--tun-csum"
    } else if tunnel.flags.contains(TunnelFlags::REMCSUM) {
        "--tun-remcsum"
    } else {
        "--tun-nocsum"
    };
    match tunnel.kind {
        TunnelKind::Ipip => put(row, format_args!(" --tun-type ipip")),
        TunnelKind::Gue => put(
            row,
            format_args!(" --tun-type gue --tun-port {} {checksum}", tunnel.port),
        ),
        TunnelKind::Gre => put(row, format_args!(" --tun-type gre {checksum}")),
        TunnelKind::Other(_) => {}
    }
}

fn name(key: &ServiceKey, endpoints: &mut Endpoints<'_>, row: &mut Vec<u8>) {
    match *key {
        ServiceKey::Fwmark { family, mark } => {
            put(row, format_args!("-f {mark}"));
            if family == Family::V6 {
                row.extend_from_slice(b" -6");
            }
        }
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            let option: &[u8] = match protocol {
                Protocol::Tcp => b"-t ",
                Protocol::Udp => b"-u ",
                Protocol::Sctp => b"--sctp-service ",
            };
            row.extend_from_slice(option);
            endpoints.append(address, port, Some(protocol), row);
        }
    }
}
