//! The tables as lines for `ipvsadm -R`, with its order and options.

use std::fmt::Write;
use std::net::SocketAddr;

use ipvs::{
    ForwardMethod, Netmask, Protocol, Server, Service, ServiceFlags, ServiceKey, TunnelFlags,
    TunnelKind,
};

use crate::state::Observed;

/// One line for each service and server.
pub(crate) fn lines(observed: &Observed) -> String {
    let mut text = String::new();
    for service in observed.services.values() {
        let key = key_words(&service.service.key);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "-A {key}{}", service_words(&service.service));
        for entry in service.as_added() {
            let _ = writeln!(text, "-a {key}{}", server_words(&entry.server));
        }
    }
    text
}

fn key_words(key: &ServiceKey) -> String {
    match *key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!("{option} {}", SocketAddr::new(address, port))
        }
        ServiceKey::Fwmark {
            family: ipvs::Family::V4,
            mark,
        } => format!("-f {mark}"),
        ServiceKey::Fwmark {
            family: ipvs::Family::V6,
            mark,
        } => format!("-f {mark} -6"),
    }
}

fn service_words(service: &Service) -> String {
    let mut words = format!(" -s {}", service.scheduler);
    if service.flags.contains(ServiceFlags::PERSISTENT) {
        let _ = write!(words, " -p {}", service.timeout);
        if service.netmask != Netmask::host(service.key.family()) {
            let _ = write!(words, " -M {}", service.netmask);
        }
    }
    if let Some(engine) = service.engine {
        let _ = write!(words, " --pe {engine}");
    }
    if service.flags.contains(ServiceFlags::ONE_PACKET) {
        words.push_str(" -o");
    }
    let flags = [
        ServiceFlags::SCHED_1,
        ServiceFlags::SCHED_2,
        ServiceFlags::SCHED_3,
    ];
    let set = flags
        .into_iter()
        .zip(flag_names(&service.scheduler.to_string()));
    let set = set.filter(|(flag, _)| service.flags.contains(*flag));
    let names: Vec<_> = set.map(|(_, name)| name).collect();
    if !names.is_empty() {
        let _ = write!(words, " -b {}", names.join(","));
    }
    words
}

/// The names of a scheduler's flags. `ipvsadm -S` leaves out the third of `sh` and `mh`, which means
/// nothing to them; `-R` knows it.
fn flag_names(scheduler: &str) -> [&'static str; 3] {
    match scheduler {
        "sh" => ["sh-fallback", "sh-port", "flag-3"],
        "mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    }
}

fn server_words(server: &Server) -> String {
    let method = match server.forward {
        ForwardMethod::Masquerade => "-m",
        ForwardMethod::Tunnel => "-i",
        _ => "-g",
    };
    let mut words = format!(" -r {} {method} -w {}", server.key, server.weight);
    if server.upper_threshold != 0 {
        let _ = write!(words, " -x {}", server.upper_threshold);
    }
    if server.lower_threshold != 0 {
        let _ = write!(words, " -y {}", server.lower_threshold);
    }
    if server.forward == ForwardMethod::Tunnel {
        words.push_str(&tunnel_words(server));
    }
    words
}

fn tunnel_words(server: &Server) -> String {
    let tunnel = server.tunnel;
    let checksum = if tunnel.flags.contains(TunnelFlags::CSUM) {
        " --tun-csum"
    } else if tunnel.flags.contains(TunnelFlags::REMCSUM) {
        " --tun-remcsum"
    } else {
        " --tun-nocsum"
    };
    match tunnel.kind {
        TunnelKind::Gue => format!(" --tun-type gue --tun-port {}{checksum}", tunnel.port),
        TunnelKind::Gre => format!(" --tun-type gre{checksum}"),
        TunnelKind::Ipip | TunnelKind::Other(_) => " --tun-type ipip".to_owned(),
    }
}
