//! Encodes a DNS query, and judges its answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, ResourceRecord, TYPE};

use director_config::state::health::{DnsAnswer, DnsCheck, DnsType};

/// A query in progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    spec: &'a DnsCheck,
    id: u16,
}

/// An answer to another query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer to another query")]
pub(super) struct NotOurs;

impl<'a> Question<'a> {
    pub(super) fn new(spec: &'a DnsCheck, id: u16) -> Self {
        Self { spec, id }
    }

    /// The message, with recursion desired.
    ///
    /// # Errors
    /// If the name is invalid: a label over 63 bytes, or more than 255 in all.
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        let name = &self.spec.name;
        let wrong = |error| format!("{name} is not a domain name: {error}");
        let mut packet = Packet::new_query(self.id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(simple_dns::Question::new(
            Name::new(name).map_err(wrong)?,
            QTYPE::TYPE(self.kind()),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        packet.build_bytes_vec().map_err(wrong)
    }

    /// Judges an answer if it belongs to this query.
    pub(super) fn judge(&self, answer: &[u8]) -> Result<Result<(), String>, NotOurs> {
        let Some(header) = Header::decode(answer) else {
            return Err(NotOurs);
        };
        if header.id != self.id || !header.is_answer {
            return Err(NotOurs);
        }
        if !header.is_plausible(answer.len()) {
            return Ok(Err("a malformed answer".to_owned()));
        }
        let packet = match Packet::parse(answer) {
            Ok(packet) => packet,
            Err(error) => return Ok(Err(format!("a malformed answer: {error}"))),
        };
        let asked = self.is_echoed(&packet);
        if !asked && !packet.questions.is_empty() {
            return Err(NotOurs);
        }
        if header.rcode != self.spec.rcode {
            let (got, wanted) = (rcode(header.rcode), rcode(self.spec.rcode));
            return Ok(Err(format!("{got}, expected {wanted}")));
        }
        // Some servers refuse without repeating the question; a success always repeats it.
        if !asked && header.rcode == 0 {
            return Ok(Err("an answer that does not repeat the query".to_owned()));
        }
        Ok(self.is_answered(&packet))
    }

    fn kind(&self) -> TYPE {
        match self.spec.kind {
            DnsType::A => TYPE::A,
            DnsType::Aaaa => TYPE::AAAA,
            DnsType::Cname => TYPE::CNAME,
            DnsType::Mx => TYPE::MX,
            DnsType::Ns => TYPE::NS,
            DnsType::Ptr => TYPE::PTR,
            DnsType::Soa => TYPE::SOA,
            DnsType::Srv => TYPE::SRV,
            DnsType::Txt => TYPE::TXT,
        }
    }

    /// Whether the answer repeats exactly this question.
    fn is_echoed(&self, packet: &Packet<'_>) -> bool {
        let [question] = packet.questions.as_slice() else {
            return false;
        };
        let same_name = Name::new(&self.spec.name).is_ok_and(|name| {
            let (wanted, got) = (name.to_string(), question.qname.to_string());
            wanted.eq_ignore_ascii_case(&got)
        });
        same_name
            && question.qtype == QTYPE::TYPE(self.kind())
            && question.qclass == QCLASS::CLASS(CLASS::IN)
    }

    fn is_answered(&self, packet: &Packet<'_>) -> Result<(), String> {
        let Some(wanted) = &self.spec.answer else {
            return Ok(());
        };
        let mut of_kind = packet
            .answers
            .iter()
            .filter(|record| record.class == CLASS::IN && record.rdata.type_code() == self.kind());
        let found = match wanted {
            DnsAnswer::Any => of_kind.next().is_some(),
            DnsAnswer::Data(data) => of_kind.clone().any(|record| is_data(record, data)),
        };
        if found {
            return Ok(());
        }
        let got: Vec<_> = of_kind.take(3).map(shown).collect();
        let got = match got.as_slice() {
            [] => "no such record".to_owned(),
            got => got.join(", "),
        };
        let cut = if packet.has_flags(PacketFlag::TRUNCATION) {
            " (cut off: ask over TCP)"
        } else {
            ""
        };
        let expected = match wanted {
            DnsAnswer::Any => format!("any {:?} record", self.kind()),
            DnsAnswer::Data(data) => data.clone(),
        };
        Ok(()).and(Err(format!(
            "unexpected answer: {got}, expected {expected}{cut}"
        )))
    }
}

/// The parts of the header that are needed before decoding the rest.
struct Header {
    id: u16,
    is_answer: bool,
    rcode: u16,
    questions: usize,
    records: usize,
}

impl Header {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; 12] = bytes.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let count = |at| usize::from(word(at));
        Some(Self {
            id: word(0),
            // A response to a standard query.
            is_answer: word(2) & 0xf800 == 0x8000,
            rcode: word(2) & 0xf,
            questions: count(4),
            records: count(6) + count(8) + count(10),
        })
    }

    /// Whether this many bytes can hold the announced number of questions (at least 5 bytes each)
    /// and records (11): the decoder allocates for them in advance.
    fn is_plausible(&self, length: usize) -> bool {
        12 + 5 * self.questions + 11 * self.records <= length
    }
}

/// Whether a record has this data in zone-file notation: blanks, upper case and the final dot of
/// names are ignored.
fn is_data(record: &ResourceRecord<'_>, wanted: &str) -> bool {
    match &record.rdata {
        RData::A(_) | RData::AAAA(_) => {
            let got = data(record);
            got.is_some()
                && got
                    == wanted
                        .trim()
                        .parse::<IpAddr>()
                        .ok()
                        .map(|ip| ip.to_string())
        }
        RData::TXT(_) => data(record).is_some_and(|got| got == unquoted(wanted)),
        _ => data(record).is_some_and(|got| words(&got).eq(words(wanted))),
    }
}

/// The normalized words of a record.
fn words(data: &str) -> impl Iterator<Item = String> {
    let word = |word: &str| word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
    data.split_ascii_whitespace().map(word)
}

/// The text of a TXT record: the quoted parts joined; all of it if nothing is quoted.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    if text.starts_with('"') && text.ends_with('"') && text.len() > 1 {
        text.split('"').skip(1).step_by(2).collect()
    } else {
        text.to_owned()
    }
}

/// The data of a record in zone-file notation, for the types that a check can query.
fn data(record: &ResourceRecord<'_>) -> Option<String> {
    Some(match &record.rdata {
        RData::A(a) => Ipv4Addr::from(a.address).to_string(),
        RData::AAAA(aaaa) => Ipv6Addr::from(aaaa.address).to_string(),
        RData::CNAME(name) => name.0.to_string(),
        RData::NS(name) => name.0.to_string(),
        RData::PTR(name) => name.0.to_string(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange),
        RData::SRV(srv) => format!(
            "{} {} {} {}",
            srv.priority, srv.weight, srv.port, srv.target
        ),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            soa.mname, soa.rname, soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
        ),
        RData::TXT(txt) => String::try_from(txt.clone()).ok()?,
        _ => return None,
    })
}

fn shown(record: &ResourceRecord<'_>) -> String {
    let data = data(record).unwrap_or_else(|| "a record without a text form".to_owned());
    crate::net::message(data.as_bytes())
}

/// The name of a response code.
fn rcode(code: u16) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    match NAMES.get(usize::from(code)) {
        Some(name) => (*name).to_owned(),
        None => format!("RCODE {code}"),
    }
}

#[cfg(test)]
mod tests;
