//! Shares, such as `"50%"`, and thresholds: a share or a number.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::source::Spanned;
use super::fields::{Field, shown};
use crate::state::Share;
use crate::state::health::Threshold;

/// A share within a range of percentages.
pub(super) fn share(
    field: &Field<'_>,
    least: u8,
    most: u8,
    findings: &mut Findings,
) -> Option<Share> {
    let text = field.text(findings)?;
    let digits = text.value.strip_suffix('%').unwrap_or_default();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let percent = digits
        .parse()
        .ok()
        .filter(|percent| plain && (least..=most).contains(percent));
    if percent.is_none() {
        let what = match plain && !digits.is_empty() {
            true => "outside the range",
            false => "not a share",
        };
        let message = format!("`{}` is {what}", shown(text.value));
        findings.push(
            Diagnostic::new(Code::OutOfRange, field.span(), message).help(format!(
                "a share here is a percentage from \"{least}%\" to \"{most}%\""
            )),
        );
    }
    percent.map(Share::percent)
}

/// A number of servers, or a share of all.
pub(super) fn threshold(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<Threshold>> {
    let threshold = match field.as_text() {
        Some(text) if field.as_whole().is_none() || text.value.ends_with('%') => {
            Threshold::Part(share(field, 0, 100, findings)?)
        }
        _ => Threshold::Count(field.whole(findings)?.value),
    };
    Some(Spanned::new(threshold, field.span()))
}
