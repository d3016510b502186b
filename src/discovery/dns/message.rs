//! Encodes a question, and reads the records of its answer.

use std::net::IpAddr;
use std::time::Duration;

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

/// What a datagram may be long without fragments: the value of DNS flag day 2020.
pub(super) const DATAGRAM: u16 = 1232;

/// The records that a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    A,
    Aaaa,
    Srv,
}

impl Records {
    const fn code(self) -> TYPE {
        match self {
            Self::A => TYPE::A,
            Self::Aaaa => TYPE::AAAA,
            Self::Srv => TYPE::SRV,
        }
    }
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    Srv(Srv),
}

/// A record that names a server, RFC 2782.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// Without the final dot; empty for "no such service".
    pub(super) target: String,
}

/// The answer of a resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// The smallest TTL of the records and of the aliases that lead to them.
    pub(super) ttl: Option<Duration>,
}

/// Why a message is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It belongs to another question: late, or forged.
    NotOurs,
    /// It does not fit a datagram.
    CutOff,
    /// The resolver says no, or says nothing that can be read.
    Failed(String),
}

/// The message that asks, with recursion desired.
pub(super) fn encode(name: &str, records: Records, id: u16) -> Result<Vec<u8>, String> {
    let wrong = |error| format!("{name} is not a domain name: {error}");
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        Name::new(name).map_err(wrong)?,
        QTYPE::TYPE(records.code()),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    *packet.opt_mut() = Some(OPT {
        opt_codes: Vec::new(),
        udp_packet_size: DATAGRAM,
        version: 0,
    });
    packet.build_bytes_vec().map_err(wrong)
}

/// Reads an answer to this question.
pub(super) fn decode(
    bytes: &[u8],
    name: &str,
    records: Records,
    id: u16,
) -> Result<Found, Unusable> {
    if !is_plausible(bytes) {
        return Err(Unusable::NotOurs);
    }
    let packet = Packet::parse(bytes);
    let packet =
        packet.map_err(|error| Unusable::Failed(format!("a malformed answer: {error}")))?;
    if packet.id() != id
        || !packet.has_flags(PacketFlag::RESPONSE)
        || !repeats(&packet, name, records)
    {
        return Err(Unusable::NotOurs);
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Err(Unusable::CutOff);
    }
    if packet.rcode() != RCODE::NoError {
        let why = match packet.rcode() {
            RCODE::NameError => "NXDOMAIN: no such name".to_owned(),
            RCODE::ServerFailure => "SERVFAIL: the resolver failed".to_owned(),
            RCODE::Refused => "REFUSED: the resolver does not answer this".to_owned(),
            other => format!("{other:?}"),
        };
        return Err(Unusable::Failed(why));
    }
    Ok(found(&packet, name, records))
}

/// Whether a message can hold as many questions (5 bytes each, at least) and records (11) as it
/// says: the decoder makes room for them first.
fn is_plausible(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<12>() else {
        return false;
    };
    let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
    12 + 5 * count(4) + 11 * (count(6) + count(8) + count(10)) <= bytes.len()
}

/// Whether the answer repeats the question. Forged ones would have to guess it.
fn repeats(packet: &Packet<'_>, name: &str, records: Records) -> bool {
    let [question] = packet.questions.as_slice() else {
        return false;
    };
    same(&question.qname.to_string(), name)
        && question.qtype == QTYPE::TYPE(records.code())
        && question.qclass == QCLASS::CLASS(CLASS::IN)
}

fn same(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    plain(one) == plain(other)
}

/// The records of the name, or of the name that it is an alias of.
fn found(packet: &Packet<'_>, name: &str, records: Records) -> Found {
    let mut owner = name.to_owned();
    let mut ttl = None;
    let mut note = |seconds: u32| {
        let seconds = Duration::from_secs(seconds.into());
        ttl = Some(ttl.map_or(seconds, |least: Duration| least.min(seconds)));
    };
    // Each alias leads on once, so that a circle ends.
    for _ in 0..packet.answers.len() {
        let alias = packet
            .answers
            .iter()
            .find_map(|record| match &record.rdata {
                RData::CNAME(alias) if same(&record.name.to_string(), &owner) => {
                    Some((alias.0.to_string(), record.ttl))
                }
                _ => None,
            });
        let Some((alias, seconds)) = alias else { break };
        note(seconds);
        owner = alias;
    }
    let mut found = Vec::new();
    for record in &packet.answers {
        let is_asked = record.class == CLASS::IN && record.rdata.type_code() == records.code();
        if !is_asked || !same(&record.name.to_string(), &owner) {
            continue;
        }
        found.push(match &record.rdata {
            RData::A(a) => Record::Address(IpAddr::V4(a.address.into())),
            RData::AAAA(aaaa) => Record::Address(IpAddr::V6(aaaa.address.into())),
            RData::SRV(srv) => Record::Srv(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_string(),
            }),
            _ => continue,
        });
        note(record.ttl);
    }
    Found {
        records: found,
        ttl,
    }
}

#[cfg(test)]
mod tests;
