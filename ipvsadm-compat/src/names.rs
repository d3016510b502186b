//! Names of hosts and services, in both directions.
//!
//! 1.31 calls `gethostbyname`, `gethostbyaddr`, `getservbyname` and `getservbyport`. Their modern
//! forms `getaddrinfo` and `getnameinfo` use the same sources (nsswitch.conf(5)) and can be called
//! without unsafe code.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dns_lookup::{AddrFamily, AddrInfoHints, SockType};
use ipvs::Protocol;

/// A source of names.
pub(crate) trait Names {
    /// The first IPv4 address of a name. Ignores other addresses, as `gethostbyname` does.
    fn host(&mut self, name: &[u8]) -> Option<Ipv4Addr>;

    /// The port of a service name. Never called with a number.
    fn port(&mut self, name: &[u8], protocol: Protocol) -> Option<u16>;

    /// The name of an address.
    fn host_name(&mut self, address: IpAddr) -> Option<String>;

    /// The name of the service at a port.
    fn port_name(&mut self, port: u16, protocol: Protocol) -> Option<String>;
}

/// The system's names. Caches answers: one listing repeats the same addresses, and each lookup may
/// take seconds.
#[derive(Debug, Default)]
pub(crate) struct SystemNames {
    hosts: HashMap<IpAddr, Option<String>>,
    ports: HashMap<(u16, Protocol), Option<String>>,
}

/// The most cached answers; further ones are looked up each time, so that a listing of a million
/// connections takes constant memory.
const KEPT: usize = 8192;

impl Names for SystemNames {
    fn host(&mut self, name: &[u8]) -> Option<Ipv4Addr> {
        let name = str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
        let hints = AddrInfoHints {
            address: AddrFamily::Inet.into(),
            socktype: SockType::Stream.into(),
            ..AddrInfoHints::default()
        };
        let found = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).ok()?;
        found
            .filter_map(Result::ok)
            .find_map(|info| match info.sockaddr {
                SocketAddr::V4(address) => Some(*address.ip()),
                SocketAddr::V6(_) => None,
            })
    }

    fn port(&mut self, name: &[u8], protocol: Protocol) -> Option<u16> {
        let name = str::from_utf8(name).ok()?;
        // getaddrinfo accepts any number as a port; "*" and "" mean any port.
        let digits = name.trim_start().trim_start_matches(['+', '-']);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) || name == "*" {
            return None;
        }
        let socktype = match protocol {
            Protocol::Udp => SockType::DGram,
            Protocol::Tcp | Protocol::Sctp => SockType::Stream,
        };
        let hints = AddrInfoHints {
            address: AddrFamily::Inet.into(),
            socktype: socktype.into(),
            protocol: protocol.number().into(),
            ..AddrInfoHints::default()
        };
        let found = dns_lookup::getaddrinfo(None, Some(name), Some(hints)).ok()?;
        found
            .filter_map(Result::ok)
            .map(|info| info.sockaddr.port())
            .next()
    }

    fn host_name(&mut self, address: IpAddr) -> Option<String> {
        if let Some(known) = self.hosts.get(&address) {
            return known.clone();
        }
        // Not dns-lookup's `lookup_addr`, which reads resolv.conf again after each failure.
        let flags = NI_NUMERICSERV | NI_NAMEREQD;
        let found = dns_lookup::getnameinfo(&SocketAddr::new(address, 0), flags);
        let name = found.ok().map(|(name, _)| name);
        if self.hosts.len() < KEPT {
            self.hosts.insert(address, name.clone());
        }
        name
    }

    fn port_name(&mut self, port: u16, protocol: Protocol) -> Option<String> {
        self.ports
            .entry((port, protocol))
            .or_insert_with(|| look_up_port(port, protocol))
            .clone()
    }
}

fn look_up_port(port: u16, protocol: Protocol) -> Option<String> {
    if protocol == Protocol::Sctp {
        return sctp_name(&fs::read("/etc/services").ok()?, port);
    }
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let mut flags = NI_NUMERICHOST;
    if protocol == Protocol::Udp {
        flags |= NI_DGRAM;
    }
    let (_, name) = dns_lookup::getnameinfo(&any, flags).ok()?;
    // getnameinfo returns the number if there is no name.
    (name != port.to_string()).then_some(name)
}

/// `getnameinfo` knows TCP and UDP only; this searches the file that it reads (services(5)).
fn sctp_name(services: &[u8], port: u16) -> Option<String> {
    let wanted = format!("{port}/sctp");
    for line in services.split(|byte| *byte == b'\n') {
        let line = str::from_utf8(line).unwrap_or_default();
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if let (Some(name), Some(number)) = (words.next(), words.next())
            && number == wanted
        {
            return Some(name.to_owned());
        }
    }
    None
}

/// Flags of `getnameinfo(3)` on Linux.
const NI_NUMERICHOST: i32 = 1;
const NI_NUMERICSERV: i32 = 2;
const NI_NAMEREQD: i32 = 8;
const NI_DGRAM: i32 = 16;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A few fixed names, independent of the system.
    #[derive(Debug, Default)]
    pub(crate) struct Table;

    impl Names for Table {
        fn host(&mut self, name: &[u8]) -> Option<Ipv4Addr> {
            (name == b"vip").then_some([10, 9, 9, 1].into())
        }

        fn port(&mut self, name: &[u8], protocol: Protocol) -> Option<u16> {
            match (name, protocol) {
                (b"http", Protocol::Tcp) => Some(80),
                (b"domain", _) => Some(53),
                _ => None,
            }
        }

        fn host_name(&mut self, address: IpAddr) -> Option<String> {
            let name = match address.to_string().as_str() {
                "10.9.9.1" => "vip",
                "10.9.9.2" => "real-server-number-two.internal.example.org",
                "fd00::77" => "v6host.a-rather-long-hostname-for-truncation.example.com",
                _ => return None,
            };
            Some(name.to_owned())
        }

        fn port_name(&mut self, port: u16, protocol: Protocol) -> Option<String> {
            (port == 80 && protocol == Protocol::Tcp).then(|| "http".to_owned())
        }
    }

    #[test]
    fn services_of_the_system() {
        let mut names = SystemNames::default();
        for text in ["", "*", "80", "99999", " 80", "-1", "no-such-service"] {
            assert_eq!(names.port(text.as_bytes(), Protocol::Tcp), None, "{text:?}");
        }
        assert_eq!(names.port(b"\xff", Protocol::Tcp), None);
        assert_eq!(names.port_name(65_434, Protocol::Udp), None);
        assert_eq!(names.host(b""), None);
        assert_eq!(names.host(b"\xff\xfe"), None);
    }

    #[test]
    fn sctp_services_are_read_from_the_file() {
        let file = b"# services\nhttp 80/tcp www\namqp\t5672/sctp\nx 1/sctp # y\n\xff 2/sctp\nz";
        assert_eq!(sctp_name(file, 5672).as_deref(), Some("amqp"));
        assert_eq!(sctp_name(file, 1).as_deref(), Some("x"));
        assert_eq!(sctp_name(file, 80), None);
        assert_eq!(sctp_name(file, 2), None);
    }
}
