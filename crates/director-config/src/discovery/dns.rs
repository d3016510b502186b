//! `type = "dns"`: the addresses of a name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Kind, Source};
use crate::code::Code;
use crate::decode::domain::domain;
use crate::decode::fields::{Field, Fields, shown};
use crate::decode::time::{DAY, SECOND, within};
use crate::decode::word::word as word_of;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Shape, key, required, section, text, time, words};
use crate::vocabulary::{Word, word};

/// The port of DNS servers, RFC 1035 section 4.2.
const PORT: u16 = 53;
/// The most resolvers: one that does not answer takes seconds.
const MAX_RESOLVERS: usize = 8;

/// A name and who resolves it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsSource {
    /// The name.
    pub name: String,
    /// The records that list the servers.
    pub record: RecordType,
    /// The resolvers, in the order in which they are asked; empty for those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// The shortest time between two questions: records may say 0.
    pub min_ttl: Duration,
    /// The longest.
    pub max_ttl: Duration,
}

/// The records that list servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RecordType {
    /// IPv4 and IPv6 addresses.
    #[default]
    Address,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Names with ports and weights (RFC 2782), and the addresses of these names.
    Srv,
}

pub(super) static DNS: Kind = Kind {
    word: word("dns", "The addresses of a name."),
    section: &SECTION,
    decode,
};

section!(
    SECTION,
    "a dns source",
    "The addresses of a name; with SRV records, also ports and weights.",
    [
        key(
            "type",
            words(std::slice::from_ref(&DNS.word)),
            "The kind of source."
        ),
        required("name", text("app.example.org"), "The name to resolve.")
            .alias(&["names", "host", "hostname"]),
        key(
            "record",
            words(RECORDS),
            "The records that list the servers."
        )
        .default("address")
        .alias(&["qtype", "rrtype", "record_type"]),
        key(
            "resolvers",
            Shape::OneOrMore(Box::new(text("10.0.0.53"))),
            "The resolvers, with a port if it is not 53, in the order in which they are asked; by \
             default those of /etc/resolv.conf. At most eight.",
        )
        .alias(&["resolver", "nameserver", "nameservers", "servers"]),
        key(
            "min_ttl",
            time(),
            "The shortest time between two questions, even if the records allow less; 100ms to 1h.",
        )
        .default("5s"),
        key(
            "max_ttl",
            time(),
            "The longest, even if the records allow more; 1s to 1d.",
        )
        .default("5m")
        .alias(&["refresh_interval", "interval"]),
    ]
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<Source> {
    let record = fields.get("record");
    let record = record.and_then(|field| word_of(&field, RECORDS, findings));
    let resolvers = fields.get("resolvers");
    let resolvers = resolvers.map_or_else(Vec::new, |field| resolvers_of(&field, findings));
    let min = fields.get("min_ttl");
    let min = min.and_then(|field| within(&field, 100, 3600 * SECOND, findings));
    let max = fields.get("max_ttl");
    let max = max.and_then(|field| within(&field, SECOND, DAY, findings));
    let min_ttl = min.map_or(Duration::from_secs(5), |min| min.value);
    let max_ttl = max.map_or(Duration::from_secs(300).max(min_ttl), |max| max.value);
    if let Some(max) = max.filter(|max| max.value < min_ttl) {
        let message = "`max_ttl` is shorter than `min_ttl`";
        let mistake = Diagnostic::new(Code::OutOfRange, max.span, message);
        findings.push(match min {
            Some(min) => mistake.also(min.span, "the shortest time"),
            None => mistake.help("`min_ttl` is 5s by default"),
        });
    }
    let name = fields.require("name", findings)?;
    Some(Source::Dns(DnsSource {
        name: domain(&name, findings)?,
        record: match record {
            Some("a") => RecordType::A,
            Some("aaaa") => RecordType::Aaaa,
            Some("srv") => RecordType::Srv,
            _ => RecordType::Address,
        },
        resolvers,
        min_ttl,
        max_ttl,
    }))
}

fn resolvers_of(field: &Field<'_>, findings: &mut Findings) -> Vec<SocketAddr> {
    let mut resolvers = Vec::new();
    for item in field.items(findings) {
        let Some(text) = item.text(findings) else {
            continue;
        };
        let alone = text.value.parse::<IpAddr>();
        let alone = alone.map(|address| SocketAddr::new(address, PORT));
        match alone.or_else(|_| text.value.parse()) {
            Ok(resolver) => resolvers.push(resolver),
            Err(_) => {
                let message = format!("`{}` is not the address of a resolver", shown(text.value));
                findings.push(
                    Diagnostic::new(Code::BadAddress, item.span(), message)
                        .help("\"10.0.0.53\", \"10.0.0.53:5353\", \"[2001:db8::53]:53\""),
                );
            }
        }
    }
    if resolvers.len() > MAX_RESOLVERS {
        let message = format!("more than {MAX_RESOLVERS} resolvers");
        findings.push(Diagnostic::new(Code::TooLarge, field.span(), message));
    }
    resolvers
}

const RECORDS: &[Word] = &[
    word("address", "IPv4 and IPv6 addresses, A and AAAA."),
    word("a", "IPv4 addresses.").alias(&["A"]),
    word("aaaa", "IPv6 addresses.").alias(&["AAAA"]),
    word(
        "srv",
        "Names with ports, weights and priorities (RFC 2782), and their addresses.",
    )
    .alias(&["SRV"]),
];
