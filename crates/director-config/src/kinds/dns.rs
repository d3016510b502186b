//! `type = "dns"`: the server answers a DNS question.

use super::{CheckKind, CheckPort, Facts, Kind, Through};
use crate::code::Code;
use crate::decode::domain::domain;
use crate::decode::fields::{Field, Fields};
use crate::decode::word::{unknown, word as word_of};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Shape, key, required, section, text, whole, words};
use crate::vocabulary::{Word, word};

/// A DNS question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsCheck {
    /// The name to query.
    pub name: String,
    /// The record type to query.
    pub kind: DnsType,
    /// The expected response code, 0 (`NOERROR`) by default.
    pub rcode: u16,
    /// What the answer must contain.
    pub answer: Option<DnsAnswer>,
    /// Whether to use TCP.
    pub tcp: bool,
}

/// The type of a DNS question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "they are called as in the RFCs")]
pub enum DnsType {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// What a DNS answer must contain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DnsAnswer {
    /// A record with this data, as written in a zone file.
    Data(String),
    /// Any record of the queried type.
    Any,
}

pub(super) static DNS: Kind = Kind::new(
    word("dns", "Answers a DNS question.").alias(&["dns_check"]),
    &SECTION,
    decode,
)
.facts(Facts {
    port: CheckPort::Server { usual: 53 },
    through: Through::Either {
        datagram: |kind| matches!(kind, CheckKind::Dns(DnsCheck { tcp: false, .. })),
    },
    ..Facts::CONNECTS
});

section!(
    SECTION,
    "a dns check",
    "The server answers a DNS question.",
    DNS.keys([
        required("name", text("example.org"), "The name to query.")
            .alias(&["request", "qname", "query"]),
        key("record", words(RECORDS), "The record type to query.")
            .default("A")
            .alias(&["qtype", "rrtype", "record_type", "query_type"]),
        key(
            "rcode",
            Shape::Either(vec![words(RCODES), whole(0, 4095)]),
            "The expected response code.",
        )
        .default("NOERROR"),
        key(
            "answer",
            Shape::Either(vec![Shape::Bool, text("192.0.2.1")]),
            "The data of a record that the answer must contain, as in a zone file; `true` for any \
             record.",
        )
        .default(false)
        .alias(&["receive", "expect"]),
        key("tcp", Shape::Bool, "Over TCP.").default(false),
    ])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    let record = fields.get("record");
    let record = record.and_then(|field| word_of(&field, RECORDS, findings));
    let rcode = fields.get("rcode");
    let rcode = rcode.and_then(|field| rcode_of(&field, findings));
    let answer = fields.get("answer");
    let answer = answer.and_then(|field| answer_of(&field, findings));
    let tcp = fields.get("tcp").and_then(|field| field.bool(findings));
    let name = fields.require("name", findings)?;
    Some(CheckKind::Dns(DnsCheck {
        name: domain(&name, findings)?,
        kind: match record {
            Some("AAAA") => DnsType::Aaaa,
            Some("CNAME") => DnsType::Cname,
            Some("MX") => DnsType::Mx,
            Some("NS") => DnsType::Ns,
            Some("PTR") => DnsType::Ptr,
            Some("SOA") => DnsType::Soa,
            Some("SRV") => DnsType::Srv,
            Some("TXT") => DnsType::Txt,
            _ => DnsType::A,
        },
        rcode: rcode.unwrap_or(0),
        answer,
        tcp: tcp.is_some_and(|tcp| tcp.value),
    }))
}

fn rcode_of(field: &Field<'_>, findings: &mut Findings) -> Option<u16> {
    if field.as_whole().is_some() || field.as_text().is_none() {
        return Some(field.whole(findings)?.value);
    }
    let text = field.text(findings)?;
    let known = RCODES.iter().position(|word| word.name == text.value);
    if known.is_none() {
        findings.push(unknown(text.value, field.span(), RCODES));
    }
    known.and_then(|number| u16::try_from(number).ok())
}

fn answer_of(field: &Field<'_>, findings: &mut Findings) -> Option<DnsAnswer> {
    match (field.as_bool(), field.as_text()) {
        (Some(any), _) => any.then_some(DnsAnswer::Any),
        (None, Some(text)) if text.value.is_empty() => {
            let message = "no record has empty data";
            findings.push(
                Diagnostic::new(Code::OutOfRange, field.span(), message)
                    .help("`answer = true` if any record is acceptable"),
            );
            None
        }
        (None, Some(text)) => Some(DnsAnswer::Data(text.value.to_owned())),
        (None, None) => field.wrong_type(findings),
    }
}

/// Types of DNS records.
const RECORDS: &[Word] = &[
    word("A", "An IPv4 address."),
    word("AAAA", "An IPv6 address."),
    word("CNAME", "Another name."),
    word("MX", "A mail server."),
    word("NS", "A name server."),
    word("PTR", "The name of an address."),
    word("SOA", "The start of a zone."),
    word("SRV", "A service's host and port."),
    word("TXT", "Text."),
];

/// DNS response codes (RFC 1035 section 4.1.1, RFC 2136 section 2.2), indexed by number.
const RCODES: &[Word] = &[
    word("NOERROR", "Success; the answer may be empty."),
    word("FORMERR", "The server could not parse the query."),
    word("SERVFAIL", "The server failed."),
    word("NXDOMAIN", "The name does not exist."),
    word("NOTIMP", "The server does not support such queries."),
    word("REFUSED", "The server refuses to answer."),
    word("YXDOMAIN", "A name exists that should not."),
    word("YXRRSET", "A set of records exists that should not."),
    word("NXRRSET", "A set of records is missing."),
    word("NOTAUTH", "The server is not authoritative for the zone."),
    word("NOTZONE", "The name is not in the zone."),
];
