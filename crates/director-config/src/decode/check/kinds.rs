//! What each kind of check asks.

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::source::Span;
use super::super::super::vocabulary::{RCODES, RECORDS};
use super::super::command::{self, command};
use super::super::fields::{Fields, Place, shown};
use super::super::word::{unknown, word};
use super::bytes::{expect, only_one, send};
use super::{http, login, tls};
use crate::state::health::{
    AgentCheck, CheckKind, DnsAnswer, DnsCheck, DnsType, ExecCheck, FileCheck, GrpcCheck,
    PingCheck, SmtpCheck, TcpCheck, UdpCheck,
};

/// What a check of that kind asks; `None` where what it needs is missing.
pub(super) fn kind(fields: &Fields<'_>, name: &str, findings: &mut Findings) -> Option<CheckKind> {
    Some(match name {
        "tcp" => CheckKind::Tcp(TcpCheck {
            send: send(fields, findings),
            expect: expect(fields, findings),
        }),
        "http" => CheckKind::Http(http::http(fields, None, findings)),
        "https" => {
            let tls = tls::https(fields, findings);
            CheckKind::Http(http::http(fields, Some(tls), findings))
        }
        "grpc" => CheckKind::Grpc(grpc(fields, findings)),
        "udp" => CheckKind::Udp(UdpCheck {
            send: send(fields, findings),
            expect: expect(fields, findings),
        }),
        "dns" => CheckKind::Dns(dns(fields, findings)?),
        "smtp" => CheckKind::Smtp(SmtpCheck {
            hello: fields
                .get("hello")
                .and_then(|place| http::authority(&place, findings)),
        }),
        "redis" => CheckKind::Redis(login::redis(fields, findings)),
        "mysql" => CheckKind::Mysql(login::login(fields, findings)),
        "postgres" => CheckKind::Postgres(login::login(fields, findings)),
        "ping" => {
            let size = fields.get("size").and_then(|place| place.whole(findings));
            let default = PingCheck::default();
            CheckKind::Ping(size.map_or(default, |size| PingCheck { size: size.value }))
        }
        "exec" => CheckKind::Exec(exec(fields, findings)?),
        "file" => CheckKind::File(FileCheck {
            path: pattern(&fields.require("path", findings)?, findings)?,
        }),
        // The last of them; a test goes through all.
        _ => CheckKind::Agent(AgentCheck {
            send: send(fields, findings),
        }),
    })
}

fn grpc(fields: &Fields<'_>, findings: &mut Findings) -> GrpcCheck {
    let service = fields.get("service");
    let service = service.and_then(|place| place.text(findings));
    let authority = fields.get("authority");
    GrpcCheck {
        service: service.map_or_else(String::new, |text| text.value.to_owned()),
        authority: authority.and_then(|place| http::authority(&place, findings)),
        tls: tls::grpc(fields, findings),
    }
}

fn dns(fields: &Fields<'_>, findings: &mut Findings) -> Option<DnsCheck> {
    let record = fields.get("record");
    let record = record.and_then(|place| word(&place, RECORDS, findings));
    let rcode = fields.get("rcode");
    let rcode = rcode.and_then(|place| rcode_of(&place, findings));
    let answer = fields.get("answer");
    let answer = answer.and_then(|place| answer_of(&place, findings));
    let tcp = fields.get("tcp").and_then(|place| place.bool(findings));
    let name = fields.require("name", findings)?;
    Some(DnsCheck {
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
    })
}

fn rcode_of(place: &Place<'_>, findings: &mut Findings) -> Option<u16> {
    if place.as_whole().is_some() || place.as_text().is_none() {
        return Some(place.whole(findings)?.value);
    }
    let text = place.text(findings)?;
    let known = RCODES.iter().position(|word| word.name == text.value);
    if known.is_none() {
        findings.push(unknown(text.value, place.span(), RCODES));
    }
    known.and_then(|number| u16::try_from(number).ok())
}

fn answer_of(place: &Place<'_>, findings: &mut Findings) -> Option<DnsAnswer> {
    match (place.as_bool(), place.as_text()) {
        (Some(any), _) => any.then_some(DnsAnswer::Any),
        (None, Some(text)) if text.value.is_empty() => {
            let message = "no record has empty data";
            findings.push(
                Diagnostic::new(Code::OutOfRange, place.span(), message)
                    .help("`answer = true`, if any record will do"),
            );
            None
        }
        (None, Some(text)) => Some(DnsAnswer::Data(text.value.to_owned())),
        (None, None) => place.wrong_type(findings),
    }
}

/// RFC 1035 section 2.3.4: labels of at most 63 bytes, all of them with their lengths 255.
fn domain(place: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let text = place.text(findings)?;
    let name = text.value.strip_suffix('.').unwrap_or(text.value);
    let problem = match text.value {
        "" => "it is empty",
        "." => return Some(".".to_owned()),
        _ if name.len() > 253 => "it has more than 253 bytes",
        _ if name.split('.').any(str::is_empty) => "one of its labels is empty",
        _ if name.split('.').any(|label| label.len() > 63) => {
            "one of its labels has more than 63 bytes"
        }
        _ if !name.chars().all(|c| ('!'..='~').contains(&c)) => {
            "it has characters that must be written in Punycode"
        }
        _ => return Some(text.value.to_owned()),
    };
    let message = format!("`{}` is no domain name: {problem}", shown(text.value));
    findings.push(Diagnostic::new(Code::BadName, place.span(), message));
    None
}

fn exec(fields: &Fields<'_>, findings: &mut Findings) -> Option<ExecCheck> {
    let program = fields.get("command");
    let shell = fields.get("shell");
    let weight = fields.get("weight").and_then(|place| place.bool(findings));
    let weight = weight.is_some_and(|weight| weight.value);
    only_one(&[("command", program), ("shell", shell)], findings);
    let command = match (program, shell) {
        (Some(place), _) => command(&place, true, findings)?,
        (None, Some(place)) => vec![command::line(&place, findings)?],
        (None, None) => {
            // Reports it.
            fields.missing("command", findings);
            return None;
        }
    };
    Some(ExecCheck {
        command,
        shell: program.is_none(),
        weight,
    })
}

/// A path with `{server}` and its like in it.
fn pattern(place: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let path = tls::absolute(place, findings)?;
    let mut rest = path;
    while let Some(open) = rest.find('{') {
        let inner = &rest[open + 1..];
        let close = inner.find('}');
        let name = close.map(|close| &inner[..close]);
        if !name.is_some_and(|name| FILE_PARTS.contains(&name)) {
            let start = path.len() - rest.len() + open;
            let end = close.map_or(path.len(), |close| start + close + 2);
            let span: Span = match place.as_text() {
                Some(text) => text.part(place.span(), start..end),
                None => place.span(),
            };
            let message = format!("`{}` is not replaced by anything", shown(&path[start..end]));
            findings.push(Diagnostic::new(Code::BadPath, span, message).help(format!(
                "what is replaced: {}",
                FILE_PARTS.map(|part| format!("{{{part}}}")).join(", ")
            )));
            return None;
        }
        rest = &inner[close.map_or(0, |close| close + 1)..];
    }
    Some(path.to_owned())
}

/// What is replaced in the path of a file, each in braces.
const FILE_PARTS: [&str; 4] = ["service", "server", "address", "port"];
