//! `[daemon]`: how `director run` works.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::Declaration;
use super::fields::{Field, shown};
use super::time::{DAY, within};
use crate::state::health::MarkRange;

pub(super) fn daemon(field: &Field<'_>, into: &mut Declaration, findings: &mut Findings) {
    let Some(fields) = field.table(&keys::DAEMON, findings) else {
        return;
    };
    let reconcile = fields.get("reconcile");
    let reconcile = reconcile.and_then(|field| within(&field, 100, DAY, findings));
    if let Some(reconcile) = reconcile {
        into.run.reconcile = reconcile.value;
    }
    if let Some(field) = fields.get("check_marks")
        && let Some((first, last)) = range(&field, 0xffff_ffff, "1-4294967295", findings)
    {
        into.run.marks = MarkRange { first, last };
        into.marks = Some(field.span());
    }
    if let Some(field) = fields.get("check_ports")
        && let Some((first, last)) = range(&field, 65535, "1-65535", findings)
        && let (Ok(first), Ok(last)) = (u16::try_from(first), u16::try_from(last))
    {
        into.run.ports = (first, last);
    }
}

/// A range from 1 to at most `most`, both ends included.
fn range(
    field: &Field<'_>,
    most: u32,
    widest: &str,
    findings: &mut Findings,
) -> Option<(u32, u32)> {
    let text = field.text(findings)?;
    let ends = text.value.split_once('-');
    let ends = ends.and_then(|(first, last)| number(first).zip(number(last)));
    let problem = match ends {
        None => "is not a range of numbers".to_owned(),
        Some((first, last)) if first > last => "ends before it starts".to_owned(),
        Some((first, last)) if first == 0 || last > most => format!("is not within {widest}"),
        Some(range) => return Some(range),
    };
    let message = format!("`{}` {problem}", shown(text.value));
    findings.push(Diagnostic::new(Code::BadRange, field.span(), message).help(
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
