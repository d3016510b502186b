//! Counts, times and texts for people, used in every room.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A number with its noun: `1 server`, `3 servers`. A verb may follow: `1 server is`, `3 servers
/// are`.
pub const fn count<N>(number: N, one: &'static str, many: &'static str) -> Count<N> {
    Count { number, one, many }
}

/// See [`count`].
#[derive(Debug, Clone, Copy)]
pub struct Count<N> {
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

/// Names within a message: `web, dns and 37 more`.
pub fn listed<N: Display>(names: impl ExactSizeIterator<Item = N>) -> String {
    /// The most that are named.
    const MOST: usize = 10;
    let more = names.len().saturating_sub(MOST);
    let names: Vec<_> = names
        .take(MOST)
        .map(|name| printable(&name.to_string()))
        .collect();
    let names = names.join(", ");
    match more {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// Characters that are invisible or change other text: controls, which move the cursor;
/// bidirectional and other format characters, which reorder or hide their neighbours; line and
/// paragraph separators; and default-ignorable characters, except for the variation selectors of
/// letters and emoji.
const HIDDEN: &str =
    r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}--\u{fe00}-\u{fe0f}]";

/// The replacement for each of them.
const SHOWN: &str = "\u{fffd}";

static ANY: LazyLock<Regex> = LazyLock::new(|| compiled(HIDDEN));
/// Colours are the program's own.
static ANY_OR_COLOUR: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!(r"\x1b\[[0-9;]*m|{HIDDEN}")));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant, and a test compiles it")
}

/// Text from others (a server's answer, an operator's reason, a file's name), made safe for a
/// terminal and a log: one line, with every character visible.
pub fn printable(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    ANY.replace_all(text, SHOWN).into_owned()
}

/// A file's name within a text. A line break in it must not start a new line, which could pass for
/// another message.
pub fn path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A whole output: lines and tabs stay.
pub fn safe(text: &str) -> Cow<'_, str> {
    kept(text, &ANY)
}

/// Like [`safe`], for text that the program has coloured.
pub fn safe_coloured(text: &str) -> Cow<'_, str> {
    kept(text, &ANY_OR_COLOUR)
}

fn kept<'t>(text: &'t str, pattern: &LazyLock<Regex>) -> Cow<'t, str> {
    if text
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
    {
        return text.into();
    }
    pattern.replace_all(text, |found: &Captures<'_>| match &found[0] {
        "\n" | "\t" => found[0].to_owned(),
        colour if colour.len() > 2 && colour.starts_with('\x1b') => colour.to_owned(),
        _ => SHOWN.to_owned(),
    })
}

/// JSON with the same data and none of these characters in its text: they occur in strings, and
/// become `\u202e` there.
pub fn json(text: String) -> String {
    if text.is_ascii() && !text.contains('\x7f') {
        return text;
    }
    let escaped = ANY.replace_all(&text, |found: &Captures<'_>| {
        let mut escape = String::new();
        for letter in found[0].chars() {
            if matches!(letter, '\n' | '\r' | '\t') {
                // Outside strings; within strings they are escaped already.
                escape.push(letter);
                continue;
            }
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escape, "\\u{unit:04x}");
            }
        }
        escape
    });
    escaped.into_owned()
}

/// Like [`json`], for bytes.
pub fn json_bytes(bytes: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(bytes) {
        Ok(text) => json(text).into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

/// Whether a character is invisible or changes other text.
pub fn is_hidden(letter: char) -> bool {
    !matches!(letter, ' '..='~') && ANY.is_match(letter.encode_utf8(&mut [0; 4]))
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// A duration in its two largest units: `45s`, `12m 5s`, `1h 1m`, `3d 2h`.
pub fn length(seconds: u64) -> String {
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
pub fn calendar(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day in the Gregorian calendar, from days since 1970-01-01. Counts in eras of 400
/// years that start on the first of March, so that a leap day is the last of its year.
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

    /// One of each kind, and the characters of a trojan source.
    const HOSTILE: &str = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\
                           \u{2060}\u{2066}\u{2069}\u{206f}\u{3164}\u{feff}\u{fff9}\u{fffb}\u{1d173}\
                           \u{e0001}\u{e0041}\u{e007f}\u{7f}\u{85}\u{9b}";

    #[test]
    fn characters_that_hide_or_reorder_are_replaced_one_by_one() {
        for letter in HOSTILE.chars() {
            assert!(is_hidden(letter), "{letter:?}");
            assert_eq!(printable(&format!("a{letter}b")), "a\u{fffd}b");
            assert_eq!(safe(&format!("a{letter}b")), "a\u{fffd}b");
        }
        for plain in ["Größe", "שלום", "مرحبا", "日本", "⚠\u{fe0f} 🦀", "e\u{301}"]
        {
            assert_eq!(printable(plain), plain);
            assert_eq!(safe(plain), plain);
        }
    }

    #[test]
    fn whole_outputs_keep_their_lines_and_colours_and_nothing_else() {
        let text = "\x1b[1;31mé\x1b[0m\n\ta\x1b[2Jb\x1b]0;title\x07\r";
        let shown = "\x1b[1;31mé\x1b[0m\n\ta\u{fffd}[2Jb\u{fffd}]0;title\u{fffd}\u{fffd}";
        assert_eq!(safe_coloured(text), shown);
        assert_eq!(safe(text), shown.replace('\x1b', "\u{fffd}"));
    }

    #[test]
    fn json_keeps_the_data_and_shows_it() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, "日本", "a\nb"] });
        for text in [value.to_string(), format!("{value:#}")] {
            let escaped = json(text);
            assert!(
                !escaped.contains(|c| c != '\n' && is_hidden(c)),
                "{escaped}"
            );
            let again: serde_json::Value = serde_json::from_str(&escaped).unwrap();
            assert_eq!(again, value);
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
