//! Times: `"2s"`, `"1h30m"`.

use std::time::Duration;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::source::Spanned;
use super::fields::{Field, shown};

/// A time.
pub(super) fn time(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<Duration>> {
    let text = field.text(findings)?;
    match parse(text.value) {
        Ok(time) => Some(Spanned::new(time, field.span())),
        Err(problem) => {
            let message = format!("`{}` is not a time: {problem}", shown(text.value));
            findings.push(Diagnostic::new(Code::BadTime, field.span(), message).help(
                "a time is numbers with units: \"500ms\", \"30s\", \"5m\", \"1h30m\", \"1d\"",
            ));
            None
        }
    }
}

/// A time within a range of milliseconds.
pub(crate) fn within(
    field: &Field<'_>,
    least: u64,
    most: u64,
    findings: &mut Findings,
) -> Option<Spanned<Duration>> {
    let time = time(field, findings)?;
    let [least, most] = [least, most].map(Duration::from_millis);
    if !(least..=most).contains(&time.value) {
        let message = format!(
            "the time must be within {} and {}",
            write(least),
            write(most)
        );
        let mistake = Diagnostic::new(Code::OutOfRange, time.span, message);
        findings.push(mistake.label("outside the range"));
        return None;
    }
    Some(time)
}

/// The longer units, in milliseconds.
pub(crate) const SECOND: u64 = 1000;
pub(crate) const HOUR: u64 = 3600 * SECOND;
pub(crate) const DAY: u64 = 24 * HOUR;

/// A time in whole seconds, at least `least` and at most what a kernel can store.
///
/// The kernel counts in ticks, `HZ` per second, in fields that end at `most * 1000` ticks. With
/// 1000 ticks per second, the most of any kernel, the maximum is `most`; with 100, the fewest, ten
/// times that.
pub(super) fn seconds(
    field: &Field<'_>,
    least: u32,
    most: u32,
    findings: &mut Findings,
) -> Option<Spanned<u32>> {
    let time = time(field, findings)?;
    if time.value.subsec_nanos() != 0 {
        findings.push(
            Diagnostic::new(
                Code::BadTime,
                time.span,
                "the kernel only supports whole seconds here",
            )
            .label("a fraction of a second"),
        );
        return None;
    }
    let longest = most.saturating_mul(10).saturating_add(9);
    let seconds = u32::try_from(time.value.as_secs()).unwrap_or(u32::MAX);
    if !(least..=longest).contains(&seconds) {
        let message = format!("the kernel supports {least} to {longest} seconds here");
        let mistake = Diagnostic::new(Code::OutOfRange, time.span, message);
        findings.push(mistake.label("outside the range"));
        return None;
    }
    if seconds > most {
        let message = format!("not every kernel supports a time of more than {most}s");
        findings.push(
            Diagnostic::new(Code::LongTimeout, time.span, message)
                .label(format!("{seconds} seconds"))
                .reason(
                    "the kernel counts in ticks; with 1000 ticks per second it cannot store \
                         this time",
                ),
        );
    }
    Some(time.map(|_| seconds))
}

fn parse(text: &str) -> Result<Duration, &'static str> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err("it is empty");
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err("a number is missing before the unit");
        }
        let number: u64 = number.parse().map_err(|_| "the number is too large")?;
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err("the unit is missing"),
            _ => return Err("the units are ms, s, m, h and d"),
        };
        let part = number.checked_mul(milliseconds).ok_or("it is too long")?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or("it is too long")?;
        rest = after;
    }
    Ok(total)
}

/// A time in the file's notation.
pub(in super::super) fn write(time: Duration) -> String {
    if time.subsec_millis() != 0 {
        return format!("{}ms", time.as_millis());
    }
    let seconds = time.as_secs();
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("2s", 2000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1m30s5ms", 90_005),
            ("2d", 172_800_000),
        ] {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "5x",
            "1.5s",
            "99999999999999999999s",
            "٣s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("{}d", u64::MAX)).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        for seconds in [0, 1, 59, 60, 61, 3600, 5400, 86_400, 90_000] {
            let time = Duration::from_secs(seconds);
            assert_eq!(parse(&write(time)), Ok(time));
        }
        assert_eq!(write(Duration::from_millis(1500)), "1500ms");
    }
}
