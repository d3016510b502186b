//! `persistence`: a time, `false`, or a table.

use std::net::Ipv4Addr;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::PersistenceDecl;
use super::super::source::Spanned;
use super::fields::{Place, out_of_range, shown};
use super::scheduler::kernel_name;
use super::time::seconds;

/// Persistence ticks are a `u32` (`svc->timeout`, multiplied by `HZ` without a check): with 1000
/// ticks per second, larger values wrap.
const MOST: u32 = u32::MAX / 1000;

/// The setting of a service or of `[defaults]`; the outer `None` after a mistake, the inner one for
/// `false`.
pub(super) fn persistence(
    place: &Place<'_>,
    findings: &mut Findings,
) -> Option<Option<PersistenceDecl>> {
    let none = PersistenceDecl {
        span: place.at,
        timeout: None,
        mask: None,
        mask6: None,
        engine: None,
        enabled: None,
    };
    if place.as_bool() == Some(false) {
        return Some(None);
    }
    if !place.is_table() {
        let timeout = Some(seconds(place, 1, MOST, findings)?);
        return Some(Some(PersistenceDecl { timeout, ..none }));
    }
    let fields = place.table(&keys::PERSISTENCE, findings)?;
    let timeout = fields.get("timeout");
    let mask = fields.get("mask");
    let mask6 = fields.get("mask6");
    let engine = fields.get("engine");
    let enabled = fields.get("enabled");
    Some(Some(PersistenceDecl {
        // Zero can occur in a kernel; it equals no persistence, and a later warning says so.
        timeout: timeout.and_then(|place| seconds(&place, 0, MOST, findings)),
        mask: mask.and_then(|place| self::mask(&place, findings)),
        mask6: mask6.and_then(|place| place.whole(findings)),
        engine: engine.and_then(|place| kernel_name(&place, findings)),
        enabled: enabled.and_then(|place| place.bool(findings)),
        ..none
    }))
}

fn mask(place: &Place<'_>, findings: &mut Findings) -> Option<Spanned<Ipv4Addr>> {
    if let Some(length) = place.as_whole() {
        let length = u32::try_from(length).ok().filter(|length| *length <= 32);
        let Some(length) = length else {
            findings.push(out_of_range(place.span(), 0, 32));
            return None;
        };
        let bits = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        return Some(Spanned::new(bits.into(), place.span()));
    }
    let Some(text) = place.as_text() else {
        return place.wrong_type(findings);
    };
    let Ok(mask) = text.value.parse() else {
        let message = format!("`{}` is no IPv4 mask", shown(text.value));
        findings.push(Diagnostic::new(Code::BadMask, place.span(), message).help(
            "a mask is \"255.255.255.0\" or a prefix length such as 24; IPv6 has `mask6 = 64`",
        ));
        return None;
    };
    Some(Spanned::new(mask, place.span()))
}
