//! The destination of a check, and its source.

use std::net::IpAddr;

use ipvs::Family;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::source::Spanned;
use super::super::address;
use super::super::fields::{Field, Fields};
use crate::kinds::{Kind, Through};
use crate::state::health::CheckAt;

/// The keys from `address` to `through`.
pub(super) fn at(fields: &Fields<'_>, kind: Option<&Kind>, findings: &mut Findings) -> CheckAt {
    let target = fields.get("address");
    let target = target.and_then(|field| one_address(&field, findings));
    let port = fields.get("port").and_then(|field| field.whole(findings));
    let source = fields.get("source");
    let source = source.map_or_else(Vec::new, |field| sources(&field, findings));
    let mark = fields.get("mark").and_then(|field| field.whole(findings));
    let through = fields.get("through");
    let through = through.and_then(|field| field.bool(findings));
    let through = through.filter(|through| through.value);
    if let Some(through) = through {
        if let Some(kind) = kind
            && let Through::Never(why) = kind.facts.through
        {
            let name = kind.word.name;
            let message = format!("a check of type {name} cannot go through the forwarding path");
            findings.push(
                Diagnostic::new(Code::CheckThrough, through.span, message)
                    .label(format!("this check {why}")),
            );
        }
        for (name, why) in [
            ("address", "it uses the virtual address"),
            ("mark", "it uses a mark from `check_marks`"),
        ] {
            let Some(other) = fields.get(name) else {
                continue;
            };
            let message = format!("a check through the forwarding path cannot have `{name}`");
            findings.push(
                Diagnostic::new(Code::EitherOr, other.at, message)
                    .label(why)
                    .also(through.span, "through the forwarding path"),
            );
        }
    }
    CheckAt {
        address: target.map(|address| address.value),
        port: port.map(|port| port.value),
        source,
        mark: mark.map(|mark| mark.value),
        through: through.is_some(),
    }
}

fn one_address(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<IpAddr>> {
    let text = field.text(findings)?;
    let address = address::address(text, field.span(), findings)?;
    if address.value.is_multicast() || address.value.is_unspecified() {
        let message = format!("a check cannot use the address {}", address.value);
        findings.push(Diagnostic::new(Code::NotUnicast, address.span, message));
        return None;
    }
    Some(address)
}

fn sources(field: &Field<'_>, findings: &mut Findings) -> Vec<IpAddr> {
    let mut sources: Vec<Spanned<IpAddr>> = Vec::new();
    for item in field.items(findings) {
        let Some(source) = one_address(&item, findings) else {
            continue;
        };
        let family = Family::of(source.value);
        let same = |other: &&Spanned<IpAddr>| Family::of(other.value) == family;
        if let Some(first) = sources.iter().find(same) {
            let message = format!("a check can have only one {family} source address");
            findings.push(
                Diagnostic::new(Code::CheckSource, source.span, message)
                    .label("the second one")
                    .also(first.span, "the first one"),
            );
            continue;
        }
        sources.push(source);
    }
    sources.into_iter().map(|source| source.value).collect()
}
