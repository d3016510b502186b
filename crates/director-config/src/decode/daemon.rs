//! `[daemon]`: how `director run` works.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::Declaration;
use super::fields::{Field, shown};
use super::time::{DAY, HOUR, within};
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
    if let Some(field) = fields.get("history_size")
        && let Some(size) = size(&field, findings)
    {
        into.run.history.size = size;
    }
    let age = fields.get("history_age");
    let age = age.and_then(|field| within(&field, HOUR, 3650 * DAY, findings));
    if let Some(age) = age {
        into.run.history.age = age.value;
    }
}

/// A size on disk in bytes: 1 MB to 1 TB, or 0 for `off`.
fn size(field: &Field<'_>, findings: &mut Findings) -> Option<u64> {
    let text = field.text(findings)?;
    if text.value == "off" {
        return Some(0);
    }
    let units = [("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1_u64 << 40)];
    let bytes = units.into_iter().find_map(|(unit, bytes)| {
        let digits = text.value.strip_suffix(unit)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(bytes))?
    });
    let problem = match bytes {
        None => "is not a size",
        Some(bytes) if !(1 << 20..=1 << 40).contains(&bytes) => "is not within 1MB and 1TB",
        Some(bytes) => return Some(bytes),
    };
    let message = format!("`{}` {problem}", shown(text.value));
    findings.push(
        Diagnostic::new(Code::BadRange, field.span(), message)
            .help("a size is a number with its unit: \"64MB\", \"2GB\"; \"off\" for no history"),
    );
    None
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
