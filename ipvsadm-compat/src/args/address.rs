//! Addresses and ports on the command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs::Protocol;

use super::values;
use crate::names::Names;

/// The parts of `host[:port]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) address: IpAddr,
    /// `None` if no port was given.
    pub(crate) port: Option<u16>,
}

/// Parses a service or server address. `protocol` selects the port names (`None` before a service
/// is named: a name is then no port).
///
/// ```text
/// 10.0.0.1:80   10.1:http   host:80   [2001:db8::1]:80   10.0.0.1   2001:db8::1   host
/// ```
///
/// Brackets without IPv6 inside are parsed again as `host[:port]`, and a port behind the brackets
/// is ignored. A port alone is no address.
pub(crate) fn host_port(
    text: &[u8],
    protocol: Option<Protocol>,
    names: &mut dyn Names,
) -> Option<HostPort> {
    if text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (host, behind) = match text {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b']')?;
            let port = rest[end + 1..].strip_prefix(b":")?;
            (&rest[..end], Some(port))
        }
        _ => (text, None),
    };
    let (address, port) = match ipv6(host) {
        Some(address) => (IpAddr::V6(address), behind),
        None => {
            let (host, port) = match host.iter().rposition(|byte| *byte == b':') {
                Some(colon) => (&host[..colon], Some(&host[colon + 1..])),
                None => (host, None),
            };
            (IpAddr::V4(ipv4_or_name(host, names)?), port)
        }
    };
    let port = match port {
        Some(text) => Some(self::port(text, protocol, names)?),
        None => None,
    };
    Some(HostPort { address, port })
}

fn port(text: &[u8], protocol: Option<Protocol>, names: &mut dyn Names) -> Option<u16> {
    if let Some(port) = values::number(text, 0, 65535) {
        return Some(port);
    }
    names.port(text, protocol?)
}

/// An IPv4 address or a name that resolves to one; persistence masks are parsed the same way.
pub(crate) fn ipv4_or_name(text: &[u8], names: &mut dyn Names) -> Option<Ipv4Addr> {
    inet_aton(text).or_else(|| names.host(text))
}

/// `inet_pton(AF_INET6)`, without zones.
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// A multicast group: IPv6 if it contains a colon. `Err` holds the error message of the address
/// family.
pub(crate) fn multicast_group(text: &[u8]) -> Result<IpAddr, &'static str> {
    let readable = str::from_utf8(text).ok();
    if text.contains(&b':') {
        ipv6(text)
            .filter(Ipv6Addr::is_multicast)
            .map(IpAddr::V6)
            .ok_or("IPv6")
    } else {
        readable
            .and_then(|text| text.parse().ok())
            .filter(Ipv4Addr::is_multicast)
            .map(IpAddr::V4)
            .ok_or("IPv4")
    }
}

/// `inet_aton` of glibc 2.36: one to four numbers, decimal, octal (`0`) or hexadecimal (`0x`); the
/// last fills all remaining bytes. A blank ends the address, and anything may follow.
fn inet_aton(text: &[u8]) -> Option<Ipv4Addr> {
    let mut rest = text;
    let mut parts: Vec<u64> = Vec::with_capacity(4);
    loop {
        let (value, behind) = strtoul(rest)?;
        parts.push(value);
        match behind {
            [b'.', next @ ..] if parts.len() < 4 => rest = next,
            [] => break,
            [byte, ..] if values::is_space(*byte) => break,
            _ => return None,
        }
    }
    let (last, bytes) = parts.split_last()?;
    let mut address = 0u32;
    for (byte, shift) in bytes.iter().zip([24, 16, 8]) {
        address |= u32::from(u8::try_from(*byte).ok()?) << shift;
    }
    let room = u32::MAX >> (8 * bytes.len());
    let last = u32::try_from(*last).ok().filter(|last| *last <= room)?;
    Some(Ipv4Addr::from(address | last))
}

/// `strtoul` in base 0 for a text that must start with a digit.
fn strtoul(text: &[u8]) -> Option<(u64, &[u8])> {
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', ..] => (8, text),
        [digit, ..] if digit.is_ascii_digit() => (10, text),
        _ => return None,
    };
    let mut value = 0u64;
    for (place, byte) in digits.iter().enumerate() {
        match char::from(*byte).to_digit(radix) {
            Some(digit) => {
                value = value.saturating_mul(u64::from(radix));
                value = value.saturating_add(u64::from(digit));
            }
            None => return Some((value, &digits[place..])),
        }
    }
    Some((value, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::Table;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        let found = host_port(text.as_bytes(), Some(Protocol::Tcp), &mut Table)?;
        Some((found.address.to_string(), found.port))
    }

    fn is(text: &str, address: &str, port: Option<u16>) {
        assert_eq!(read(text), Some((address.to_owned(), port)), "{text}");
    }

    #[test]
    fn ipv4_as_inet_aton_takes_it() {
        is("10.0.0.1:80", "10.0.0.1", Some(80));
        is("10.1:80", "10.0.0.1", Some(80));
        is("0x0a000021:1", "10.0.0.33", Some(1));
        is("167772194:1", "10.0.0.34", Some(1));
        is("10.0.0.035:1", "10.0.0.29", Some(1));
        is("10.1 x:80", "10.0.0.1", Some(80));
        is("0:80", "0.0.0.0", Some(80));
        is("10.0.0.1", "10.0.0.1", None);
        for text in [
            "10.0.0.256:1",
            "10.0.0.0.1:1",
            "10.:1",
            " 10.1:1",
            "0x:1",
            "08.1:1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(inet_aton(b"4294967296"), None);
        assert_eq!(inet_aton(b"255.16777215"), Some(Ipv4Addr::BROADCAST));
        assert_eq!(inet_aton(b"255.16777216"), None);
    }

    #[test]
    fn ipv6_has_a_port_in_brackets_only() {
        is("[2001:db8::1]:80", "2001:db8::1", Some(80));
        is("2001:db8::1", "2001:db8::1", None);
        is("2001:db8::1:80", "2001:db8::1:80", None);
        is("[::ffff:1.2.3.5]:80", "::ffff:1.2.3.5", Some(80));
        for text in [
            "[fd00::1]",
            "[fd00::1]80",
            "[fd00::1]:",
            "[fd00::1:80",
            "fd00::1]:80",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in [
            "fd00::1%lo",
            "[fd00::1%lo]:80",
            "1::2::3",
            "[]:80",
            "fd00::2:http",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn brackets_around_something_else_lose_their_port() {
        is("[10.0.0.20]:80", "10.0.0.20", None);
        is("[10.0.0.20:90]:80", "10.0.0.20", Some(90));
        is("[vip]:80", "10.9.9.1", None);
    }

    #[test]
    fn ports() {
        is("10.1:080", "10.0.0.1", Some(80));
        is("10.1: 80", "10.0.0.1", Some(80));
        is("10.1:+80", "10.0.0.1", Some(80));
        is("10.1:-0", "10.0.0.1", Some(0));
        is("10.1:http", "10.0.0.1", Some(80));
        for text in [
            "10.1:",
            "10.1:80 ",
            "10.1:0x50",
            "10.1:65536",
            "10.1:nope",
            "10.1:80:90",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let mut names = Table;
        assert_eq!(
            host_port(b"10.1:http", Some(Protocol::Udp), &mut names),
            None
        );
        assert_eq!(host_port(b"10.1:http", None, &mut names), None);
        assert!(host_port(b"10.1:80", None, &mut names).is_some());
    }

    #[test]
    fn names_and_what_is_none() {
        is("vip:80", "10.9.9.1", Some(80));
        is("vip", "10.9.9.1", None);
        for text in ["", "80", ":80", "nowhere:80", "six:80"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(host_port(b"\xff:80", Some(Protocol::Tcp), &mut Table), None);
    }

    #[test]
    fn multicast_groups() {
        assert_eq!(multicast_group(b"224.0.0.81"), Ok([224, 0, 0, 81].into()));
        assert_eq!(multicast_group(b"ff02::1"), Ok("ff02::1".parse().unwrap()));
        for text in ["10.0.0.1", "225.1", "zz", "", "300.1.1.1"] {
            assert_eq!(multicast_group(text.as_bytes()), Err("IPv4"), "{text}");
        }
        for text in ["fd00::1", "z:z", ":"] {
            assert_eq!(multicast_group(text.as_bytes()), Err("IPv6"), "{text}");
        }
        assert_eq!(multicast_group(b"\xff"), Err("IPv4"));
    }
}
