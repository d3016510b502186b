//! The bytes to send, and those expected back.

use crate::code::Code;
use crate::decode::fields::{Field, Fields, shown};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Key, key, pattern, patterned, text};

/// What an answer must contain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expect {
    /// These bytes, anywhere.
    Contains(Vec<u8>),
    /// A match of this regular expression, which is valid.
    Matches(String),
}

/// A check has one of these keys.
pub(super) const INSTEAD: &[&[&str]] = &[
    &["send", "send_hex"],
    &["expect", "expect_hex", "expect_regex"],
];

/// The keys for sending.
pub(super) fn send_keys() -> Vec<Key> {
    vec![
        key("send", text("PING\r\n"), "The text sent once connected.").alias(&["request"]),
        key(
            "send_hex",
            patterned("00 01 ff", pattern::HEX),
            "The same, as hexadecimal digits.",
        ),
    ]
}

/// The keys for the expected answer.
fn expect_keys() -> Vec<Key> {
    vec![
        key("expect", text("PONG"), "Text that the answer must contain.").alias(&["receive"]),
        key(
            "expect_hex",
            patterned("00 01 ff", pattern::HEX),
            "The same, as hexadecimal digits.",
        ),
        key(
            "expect_regex",
            text("^2[0-9]{2} "),
            "A regular expression that the answer must match.",
        ),
    ]
}

pub(super) fn send_and_expect() -> Vec<Key> {
    send_keys().into_iter().chain(expect_keys()).collect()
}

/// `send` or `send_hex`.
pub(super) fn send(fields: &Fields<'_>, findings: &mut Findings) -> Vec<u8> {
    let text = fields.get("send");
    let digits = fields.get("send_hex");
    only_one(&[("send", text), ("send_hex", digits)], findings);
    let text = text.and_then(|field| field.text(findings));
    let digits = digits.and_then(|field| hex(&field, findings));
    digits
        .or_else(|| text.map(|text| text.value.as_bytes().to_vec()))
        .unwrap_or_default()
}

/// `expect`, `expect_hex` or `expect_regex`.
pub(super) fn expect(fields: &Fields<'_>, findings: &mut Findings) -> Option<Expect> {
    let text = fields.get("expect");
    let digits = fields.get("expect_hex");
    let pattern = fields.get("expect_regex");
    let names = ["expect", "expect_hex", "expect_regex"];
    let said: Vec<_> = names.into_iter().zip([text, digits, pattern]).collect();
    only_one(&said, findings);
    let text = text.and_then(|field| contained(&field, findings));
    let digits = digits.and_then(|field| hex(&field, findings));
    let pattern = pattern.and_then(|field| regex(&field, findings));
    pattern.or_else(|| digits.or(text).map(Expect::Contains))
}

/// Text that an answer must contain.
pub(super) fn contained(field: &Field<'_>, findings: &mut Findings) -> Option<Vec<u8>> {
    let text = field.text(findings)?;
    if text.value.is_empty() {
        let message = "every answer contains the empty text";
        findings.push(
            Diagnostic::new(Code::OutOfRange, field.span(), message)
                .label("empty")
                .help("leave it out if any answer is acceptable"),
        );
        return None;
    }
    Some(text.value.as_bytes().to_vec())
}

/// A regular expression that an answer must match.
pub(super) fn regex(field: &Field<'_>, findings: &mut Findings) -> Option<Expect> {
    let text = field.text(findings)?;
    let Err(problem) = regex::bytes::Regex::new(text.value) else {
        return Some(Expect::Matches(text.value.to_owned()));
    };
    let message = "invalid regular expression";
    let mistake = |span| Diagnostic::new(Code::BadRegex, span, message);
    findings.push(match &problem {
        regex::Error::Syntax(said) => {
            let part = caret(said, text.value).map(|part| text.part(field.span(), part));
            let why = said.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            mistake(part.unwrap_or(field.span())).label(why)
        }
        regex::Error::CompiledTooBig(limit) => {
            mistake(field.span()).label(format!("comes to more than {limit} bytes"))
        }
        _ => mistake(field.span()),
    });
    None
}

/// The part of a one-line pattern that the library's message points at:
///
/// ```text
/// regex parse error:
///     (ok
///     ^
/// error: unclosed group
/// ```
fn caret(said: &str, pattern: &str) -> Option<std::ops::Range<usize>> {
    let mut lines = said
        .lines()
        .skip_while(|line| line.trim() != pattern.trim());
    let shown = lines.next()?;
    let marks = lines.next()?;
    if !marks.chars().all(|c| matches!(c, ' ' | '^')) {
        return None;
    }
    let indent = shown.len().checked_sub(pattern.len())?;
    let first = marks.find('^')?.checked_sub(indent)?;
    let count = marks.matches('^').count();
    let at = |character: usize| {
        let place = pattern.char_indices().nth(character);
        place.map_or(pattern.len(), |(byte, _)| byte)
    };
    Some(at(first)..at(first + count))
}

/// Pairs of hexadecimal digits, optionally separated by white space.
fn hex(field: &Field<'_>, findings: &mut Findings) -> Option<Vec<u8>> {
    let text = field.text(findings)?;
    let digits: Vec<char> = text.value.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| {
        let [high, low] = pair else { return None };
        let value = high.to_digit(16)? * 16 + low.to_digit(16)?;
        u8::try_from(value).ok()
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    if bytes.is_none() {
        let message = format!("`{}` is not a sequence of bytes", shown(text.value));
        findings.push(
            Diagnostic::new(Code::BadHex, field.span(), message)
                .help("two hexadecimal digits for each byte: \"00 01 ff\""),
        );
    }
    bytes
}

/// Reports all but the first of several equivalent keys.
pub(super) fn only_one(said: &[(&str, Option<Field<'_>>)], findings: &mut Findings) {
    let mut said = said
        .iter()
        .filter_map(|(name, field)| Some((name, (*field)?)));
    let Some((first_name, first)) = said.next() else {
        return;
    };
    for (name, field) in said {
        let message = format!("`{first_name}` and `{name}` cannot be combined");
        findings.push(
            Diagnostic::new(Code::EitherOr, field.at, message)
                .label("one too many")
                .also(first.at, "the other one"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::caret;

    #[test]
    fn the_part_at_fault_is_found() {
        for (pattern, part) in [
            ("(ok", "("),
            ("ok(é", "("),
            ("é[z-a]", "z-a"),
            (r"ok\yes", r"\y"),
            ("a**{", "{"),
        ] {
            let Err(regex::Error::Syntax(said)) = regex::bytes::Regex::new(pattern) else {
                panic!("{pattern} is right");
            };
            assert_eq!(caret(&said, pattern).map(|at| &pattern[at]), Some(part));
        }
    }
}
