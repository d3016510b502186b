//! `persistence`: a time, `false`, or a table.

use std::net::Ipv4Addr;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::PersistenceDecl;
use super::super::source::Spanned;
use super::fields::{Field, out_of_range, shown};
use super::scheduler::module_name;
use super::time::seconds;

/// Persistence ticks are a `u32` (`svc->timeout`, multiplied by `HZ` without a check): with 1000
/// ticks per second, larger values wrap.
const MOST: u32 = u32::MAX / 1000;

/// The setting of a service or of `[defaults]`; the outer `None` after a mistake, the inner one for
/// `false`.
pub(super) fn persistence(
    field: &Field<'_>,
    findings: &mut Findings,
) -> Option<Option<PersistenceDecl>> {
    let none = PersistenceDecl {
        span: field.at,
        timeout: None,
        mask: None,
        mask6: None,
        engine: None,
        enabled: None,
    };
    if field.as_bool() == Some(false) {
        return Some(None);
    }
    if !field.is_table() {
        let timeout = Some(seconds(field, 1, MOST, findings)?);
        return Some(Some(PersistenceDecl { timeout, ..none }));
    }
    let fields = field.table(&keys::PERSISTENCE, findings)?;
    let timeout = fields.get("timeout");
    let mask = fields.get("mask");
    let mask6 = fields.get("mask6");
    let engine = fields.get("engine");
    let enabled = fields.get("enabled");
    Some(Some(PersistenceDecl {
        // Zero can occur in a kernel; it equals no persistence, and a later warning says so.
        timeout: timeout.and_then(|field| seconds(&field, 0, MOST, findings)),
        mask: mask.and_then(|field| self::mask(&field, findings)),
        mask6: mask6.and_then(|field| field.whole(findings)),
        engine: engine.and_then(|field| module_name(&field, findings)),
        enabled: enabled.and_then(|field| field.bool(findings)),
        ..none
    }))
}

fn mask(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<Ipv4Addr>> {
    if let Some(length) = field.as_whole() {
        let length = u32::try_from(length).ok().filter(|length| *length <= 32);
        let Some(length) = length else {
            findings.push(out_of_range(field.span(), 0, 32));
            return None;
        };
        let bits = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        return Some(Spanned::new(bits.into(), field.span()));
    }
    let Some(text) = field.as_text() else {
        return field.wrong_type(findings);
    };
    let Ok(mask) = text.value.parse() else {
        let message = format!("`{}` is no IPv4 mask", shown(text.value));
        findings.push(Diagnostic::new(Code::BadMask, field.span(), message).help(
            "a mask is \"255.255.255.0\" or a prefix length such as 24; IPv6 has `mask6 = 64`",
        ));
        return None;
    };
    Some(Spanned::new(mask, field.span()))
}
