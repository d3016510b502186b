//! An address and a port as one word.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs::Protocol;

use crate::names::Names;

/// Writes `10.0.0.1:80`, `[fd00::1]:80` and, unless numeric, `host:http`, `[host]:http`.
pub(crate) struct Endpoints<'a> {
    numeric: bool,
    /// The length at which a word is cut, in bytes.
    longest: usize,
    names: &'a mut dyn Names,
}

impl<'a> Endpoints<'a> {
    /// For lists, which cut a word at 59 bytes including the port.
    pub(super) fn listed(numeric: bool, names: &'a mut dyn Names) -> Self {
        Self {
            numeric,
            longest: 59,
            names,
        }
    }

    /// For `-S`, where a truncated word could not be restored.
    pub(super) fn saved(numeric: bool, names: &'a mut dyn Names) -> Self {
        Self {
            numeric,
            longest: usize::MAX,
            names,
        }
    }

    /// Appends a word to `row`. Only ports with a protocol have names.
    pub(super) fn append(
        &mut self,
        address: IpAddr,
        port: u16,
        protocol: Option<Protocol>,
        row: &mut Vec<u8>,
    ) {
        let start = row.len();
        let name = if self.numeric {
            None
        } else {
            self.names.host_name(address)
        };
        match (address, name) {
            (IpAddr::V4(_), Some(name)) => row.extend_from_slice(name.as_bytes()),
            (IpAddr::V4(address), None) => ipv4(address, row),
            (IpAddr::V6(_), Some(name)) => put(row, format_args!("[{name}]")),
            (IpAddr::V6(address), None) => {
                row.push(b'[');
                ipv6(address, row);
                row.push(b']');
            }
        }
        row.push(b':');
        let name = match protocol {
            Some(protocol) if !self.numeric => self.names.port_name(port, protocol),
            _ => None,
        };
        match name {
            Some(name) => row.extend_from_slice(name.as_bytes()),
            None => number(port.into(), row),
        }
        row.truncate(start.saturating_add(self.longest));
    }
}

/// Appends formatted text.
pub(super) fn put(row: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    row.write_fmt(text).expect("a Vec takes every write");
}

/// Appends a decimal number. Lists contain hundreds of thousands of them, and this takes a fifth of
/// the time of `core::fmt`.
pub(super) fn number(mut value: u64, row: &mut Vec<u8>) {
    let start = row.len();
    loop {
        // Less than ten.
        row.push(b'0' + u8::try_from(value % 10).unwrap_or(0));
        value /= 10;
        if value == 0 {
            break;
        }
    }
    row[start..].reverse();
}

/// Appends a number, padded with blanks.
pub(super) fn number_padded(value: u64, width: usize, row: &mut Vec<u8>) {
    let end = row.len() + width;
    number(value, row);
    row.resize(row.len().max(end), b' ');
}

fn ipv4(address: Ipv4Addr, row: &mut Vec<u8>) {
    for (place, byte) in address.octets().into_iter().enumerate() {
        if place > 0 {
            row.push(b'.');
        }
        number(byte.into(), row);
    }
}

/// `inet_ntop(AF_INET6)`: as in Rust, except for the old IPv4-compatible form `::1.2.3.4`.
fn ipv6(address: Ipv6Addr, row: &mut Vec<u8>) {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            put(row, format_args!("::{a}.{b}.{c}.{d}"));
        }
        _ => put(row, format_args!("{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::Table;

    fn word(endpoints: &mut Endpoints<'_>, address: &str, port: u16) -> String {
        let mut row = Vec::new();
        endpoints.append(
            address.parse().unwrap(),
            port,
            Some(Protocol::Tcp),
            &mut row,
        );
        String::from_utf8(row).unwrap()
    }

    #[test]
    fn numbers() {
        let mut names = Table;
        let mut endpoints = Endpoints::listed(true, &mut names);
        for (address, shown) in [
            ("10.9.9.1", "10.9.9.1:80"),
            ("fd00::1", "[fd00::1]:80"),
            ("::", "[::]:80"),
            ("::1", "[::1]:80"),
            ("::1.2.3.4", "[::1.2.3.4]:80"),
            ("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:80"),
            ("1:0:0:2::3", "[1:0:0:2::3]:80"),
            ("1:0:2:3:4:5:6:7", "[1:0:2:3:4:5:6:7]:80"),
        ] {
            assert_eq!(word(&mut endpoints, address, 80), shown);
        }
    }

    #[test]
    fn names_are_cut_in_lists_only() {
        let mut names = Table;
        let mut endpoints = Endpoints::listed(false, &mut names);
        assert_eq!(word(&mut endpoints, "10.9.9.1", 80), "vip:http");
        assert_eq!(word(&mut endpoints, "10.9.9.3", 81), "10.9.9.3:81");
        let long = "[v6host.a-rather-long-hostname-for-truncation.example.com]:";
        assert_eq!(word(&mut endpoints, "fd00::77", 80), long);
        let mut endpoints = Endpoints::saved(false, &mut names);
        assert_eq!(word(&mut endpoints, "fd00::77", 80), format!("{long}http"));
    }
}
