//! Addresses and ports of listen addresses and real servers.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use ipvs::{Family, Fwmark, Protocol};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::Listen;
use super::super::source::{Span, Spanned};
use super::super::suggest::nearest;
use super::super::tree::TextRef;
use super::fields::shown;

const SCHEMES: [&str; 5] = ["tcp", "udp", "sctp", "fwmark", "fwmark6"];
const FORM: &str = "a listen address is tcp://192.0.2.10:80, udp://[2001:db8::1]:53, \
                    tcp://192.0.2.10:8000-8010, fwmark://7 or fwmark6://7";

/// A listen address.
pub(super) fn listen(
    text: TextRef<'_>,
    whole: Span,
    findings: &mut Findings,
) -> Option<Spanned<Listen>> {
    let value = &text.value;
    let Some((scheme, rest)) = value.split_once("://") else {
        let message = format!("`{}` has no protocol", shown(value));
        let mistake = Diagnostic::new(Code::BadListen, whole, message);
        findings.push(match socket(value).is_ok() {
            true => mistake.help(format!("`tcp://{value}` or `udp://{value}`")),
            false => mistake.help(FORM),
        });
        return None;
    };
    let at = scheme.len() + 3;
    let protocol = match scheme {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "fwmark" => return mark(text, whole, at, Family::V4, findings),
        "fwmark6" => return mark(text, whole, at, Family::V6, findings),
        other => {
            let field = text.part(whole, 0..scheme.len());
            let message = format!("IPVS has no services of `{}`", shown(other));
            let mistake = Diagnostic::new(Code::BadListen, field, message);
            let layer_7 = matches!(other, "http" | "https").then_some("tcp");
            findings.push(match layer_7.or_else(|| nearest(other, SCHEMES)) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.help(FORM),
            });
            return None;
        }
    };
    // Without brackets, `2001:db8::1:80` is ambiguous.
    let bare_v6 = !rest.starts_with('[') && rest.matches(':').count() > 1;
    let parts = match socket(rest) {
        Ok(_) if bare_v6 => Err("an IPv6 address must be in brackets here"),
        other => other,
    };
    let parts = match parts {
        Ok(parts) => parts,
        Err(problem) => {
            let field = text.part(whole, at..value.len());
            let message = format!("`{}` is not an address: {problem}", shown(rest));
            findings.push(Diagnostic::new(Code::BadListen, field, message).help(FORM));
            return None;
        }
    };
    let (first, last) = match parts.port {
        None => (0, 0),
        Some(port) => {
            let field = text.part(whole, at + port.start..at + port.end);
            ports(&rest[port], field, findings)?
        }
    };
    let listen = Listen::Address {
        protocol,
        address: parts.address,
        first,
        last,
    };
    Some(Spanned::new(listen, whole))
}

fn mark(
    text: TextRef<'_>,
    whole: Span,
    at: usize,
    family: Family,
    findings: &mut Findings,
) -> Option<Spanned<Listen>> {
    let digits = &text.value[at..];
    let number = match digits.strip_prefix("0x") {
        // As `iptables --set-mark` shows it. A sign is not a digit, though Rust accepts one.
        Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok(),
        _ => decimal(digits),
    };
    let Some(mark) = number.and_then(Fwmark::new) else {
        let field = text.part(whole, at..text.value.len());
        let message = format!("`{}` is not a firewall mark", shown(digits));
        findings.push(
            Diagnostic::new(Code::BadListen, field, message)
                .help("a mark is an integer from 1 to 4294967295, such as fwmark://7"),
        );
        return None;
    };
    Some(Spanned::new(Listen::Fwmark { family, mark }, whole))
}

fn ports(text: &str, field: Span, findings: &mut Findings) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = decimal(first).zip(decimal(last));
    let problem = match range {
        None => "is not a port",
        Some((first, last)) if first > last => "ends before it starts",
        Some((0, last)) if last > 0 => "cannot start at 0, which means all ports",
        Some(range) => return Some(range),
    };
    let message = format!("`{}` {problem}", shown(text));
    findings.push(
        Diagnostic::new(Code::BadPort, field, message)
            .help("a port is a number from 1 to 65535, a range is 8000-8010"),
    );
    None
}

/// A real server's address and port: `10.0.0.11`, `10.0.0.11:8080`, `[2001:db8::1]:80`.
pub(super) fn server(
    text: TextRef<'_>,
    whole: Span,
    findings: &mut Findings,
) -> Option<(Spanned<IpAddr>, Option<Spanned<u16>>)> {
    let value = &text.value;
    let parts =
        match socket(value) {
            Ok(parts) => parts,
            Err(problem) => {
                let message = format!("`{}` is not an address: {problem}", shown(value));
                findings.push(Diagnostic::new(Code::BadAddress, whole, message).help(
                    "a server is 10.0.0.11, 10.0.0.11:8080, 2001:db8::11 or [2001:db8::11]:80",
                ));
                return None;
            }
        };
    let port = match parts.port {
        None => None,
        Some(port) => {
            let field = text.part(whole, port.clone());
            let Some(number) = decimal(&value[port.clone()]) else {
                let message = format!("`{}` is not a port", shown(&value[port]));
                findings.push(
                    Diagnostic::new(Code::BadPort, field, message)
                        .help("a port is a number from 1 to 65535"),
                );
                return None;
            };
            Some(Spanned::new(number, field))
        }
    };
    Some((Spanned::new(parts.address, whole), port))
}

/// An address alone.
pub(super) fn address(
    text: TextRef<'_>,
    whole: Span,
    findings: &mut Findings,
) -> Option<Spanned<IpAddr>> {
    let problem = match socket(text.value) {
        Ok(Socket {
            address,
            port: None,
        }) => return Some(Spanned::new(address, whole)),
        Ok(_) => "it has a port, which belongs in `port`",
        Err(problem) => problem,
    };
    let message = format!("`{}` is not an address: {problem}", shown(text.value));
    findings.push(
        Diagnostic::new(Code::BadAddress, whole, message)
            .help("an address is 10.0.0.11 or 2001:db8::11"),
    );
    None
}

/// An address and the position of its port.
struct Socket {
    address: IpAddr,
    port: Option<Range<usize>>,
}

fn socket(text: &str) -> Result<Socket, &'static str> {
    if let Some(inner) = text.strip_prefix('[') {
        let close = inner.find(']').ok_or("the bracket is not closed")?;
        let address = v6(&inner[..close])?.into();
        // `[`, the address, `]`, `:`.
        let after = close + 2;
        return match &text[after..] {
            "" => Ok(Socket {
                address,
                port: None,
            }),
            rest if rest.starts_with(':') => Ok(Socket {
                address,
                port: Some(after + 1..text.len()),
            }),
            _ => Err("only a colon and a port may follow the bracket"),
        };
    }
    // In bytes: this runs for each of tens of thousands of servers.
    let colon = text.bytes().position(|byte| byte == b':');
    if colon.is_some_and(|colon| text.as_bytes()[colon + 1..].contains(&b':')) {
        return Ok(Socket {
            address: v6(text)?.into(),
            port: None,
        });
    }
    let end = colon.unwrap_or(text.len());
    let port = (end < text.len()).then_some(end + 1..text.len());
    match text[..end].parse() {
        Ok(address) => Ok(Socket {
            address: IpAddr::V4(address),
            port,
        }),
        Err(_) if text.is_empty() => Err("it is empty"),
        Err(_) if text.contains('/') => Err("a prefix or a path is not allowed here"),
        Err(_) if text.contains(|c: char| c.is_alphabetic()) => Err("names are not looked up"),
        Err(_) => Err("an IPv4 address is four numbers from 0 to 255"),
    }
}

fn v6(text: &str) -> Result<Ipv6Addr, &'static str> {
    text.parse().map_err(|_| {
        if text.contains('%') {
            "IPVS has no addresses with a zone"
        } else {
            "it is not an IPv6 address, and an IPv4 address has no brackets and one port"
        }
    })
}

/// Digits only: Rust's own parser accepts a sign.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
