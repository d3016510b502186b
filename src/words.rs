//! Counts, times and texts for people, in the words that every room uses. It depends on nothing.

use std::fmt::{self, Display};

/// A number of things: `1 server`, `3 servers`. A verb may follow: `1 server is`, `3 servers are`.
pub(crate) const fn count<N>(number: N, one: &'static str, many: &'static str) -> Count<N> {
    Count { number, one, many }
}

/// See [`count`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count<N> {
    number: N,
    one: &'static str,
    many: &'static str,
}

impl<N: Display + PartialEq + From<u8>> Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.number == N::from(1) {
            self.one
        } else {
            self.many
        };
        write!(f, "{} {words}", self.number)
    }
}

/// A text that others wrote (a server's answer, an operator's reason), fit for a terminal: it must
/// not move the cursor.
pub(crate) fn printable(text: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    text.chars().map(shown).collect()
}

/// A length of time in its two largest units: `45s`, `12m 5s`, `1h 1m`, `3d 2h`.
pub(crate) fn length(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size);
    let Some(first) = first else {
        return "0s".to_owned();
    };
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, name) in &units[first..units.len().min(first + 2)] {
        if rest / size > 0 {
            words.push(format!("{}{name}", rest / size));
        }
        rest %= size;
    }
    words.join(" ")
}

/// Seconds since 1970 as `2026-11-21 12:00:00Z`.
pub(crate) fn calendar(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day in the Gregorian calendar, from days since 1970-01-01. Counted in eras of
/// 400 years that begin on a first of March, so that a leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    match month {
        0..=9 => (year, month + 3, date),
        _ => (year + 1, month - 9, date),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let servers = |number: usize| count(number, "server is", "servers are").to_string();
        assert_eq!(servers(0), "0 servers are");
        assert_eq!(servers(1), "1 server is");
        assert_eq!(servers(2), "2 servers are");
    }

    #[test]
    fn lengths() {
        for (seconds, text) in [
            (0, "0s"),
            (45, "45s"),
            (60, "1m"),
            (725, "12m 5s"),
            (3600, "1h"),
            (3661, "1h 1m"),
            (90_000, "1d 1h"),
            (86_460, "1d"),
        ] {
            assert_eq!(length(seconds), text);
        }
    }

    #[test]
    fn calendars() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_795_262_400, "2026-11-21 12:00:00Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(calendar(seconds), text);
        }
    }

    #[test]
    fn terminals_are_safe() {
        assert_eq!(
            printable("a\x1b[2Jb\nc\u{9b}"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}"
        );
    }
}
