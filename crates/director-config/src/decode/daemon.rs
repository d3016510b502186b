//! `[daemon]`: how `director run` works.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::Declaration;
use super::fields::{Place, shown};
use super::time::{DAY, within};
use crate::state::health::MarkRange;

pub(super) fn daemon(place: &Place<'_>, into: &mut Declaration, findings: &mut Findings) {
    let Some(fields) = place.table(&keys::DAEMON, findings) else {
        return;
    };
    let reconcile = fields.get("reconcile");
    let reconcile = reconcile.and_then(|place| within(&place, 100, DAY, findings));
    if let Some(reconcile) = reconcile {
        into.run.reconcile = reconcile.value;
    }
    if let Some(place) = fields.get("check_marks")
        && let Some((first, last)) = range(&place, 0xffff_ffff, "1-4294967295", findings)
    {
        into.run.marks = MarkRange { first, last };
        into.marks = Some(place.span());
    }
    if let Some(place) = fields.get("check_ports")
        && let Some((first, last)) = range(&place, 65535, "1-65535", findings)
        && let (Ok(first), Ok(last)) = (u16::try_from(first), u16::try_from(last))
    {
        into.run.ports = (first, last);
    }
}

/// A range from 1 to at most `most`, both ends included.
fn range(
    place: &Place<'_>,
    most: u32,
    widest: &str,
    findings: &mut Findings,
) -> Option<(u32, u32)> {
    let text = place.text(findings)?;
    let ends = text.value.split_once('-');
    let ends = ends.and_then(|(first, last)| number(first).zip(number(last)));
    let problem = match ends {
        None => "is not a range of numbers".to_owned(),
        Some((first, last)) if first > last => "ends before it starts".to_owned(),
        Some((first, last)) if first == 0 || last > most => format!("is not within {widest}"),
        Some(range) => return Some(range),
    };
    let message = format!("`{}` {problem}", shown(text.value));
    findings.push(Diagnostic::new(Code::BadRange, place.span(), message).help(
        "a range is two numbers, both inclusive: \"20000-29999\", \"0x6d000000-0x6d00ffff\"",
    ));
    None
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    // Rust accepts a sign.
    let plain = digits.chars().all(|c| c.is_digit(radix));
    plain.then(|| u32::from_str_radix(digits, radix).ok())?
}
