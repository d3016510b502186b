//! Parses TOML with mistakes, by the crate `toml`: the tree as far as it can be parsed, and every
//! syntax error that a person can read.
//!
//! The crate finds all mistakes before it returns the first, and takes a minute and gigabytes for
//! the millions in a large file that is not TOML at all. It therefore gets a [`FIRST`] part of the
//! text behind the first mistake, and more only while there are fewer mistakes than are shown.

use toml::de::{DeInteger, DeTable, DeValue, Error};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings, SHOWN};
use super::super::dialects;
use super::super::keys::{self, ROOT};
use super::super::source::{FileId, Span};
use super::super::tree::{Entry, Node, Table, Text, Value};
use super::twice::{DUPLICATE, Twice};

/// The number of bytes read behind the first mistake, multiplied by [`MORE`] each time.
const FIRST: usize = 64 << 10;
const MORE: usize = 4;

/// The most mistakes on few lines that are examined.
const MOST: usize = 100 * SHOWN;

/// The tree of a TOML text, as far as it can be parsed; reports every syntax error, up to the
/// number shown. There is none before `from`.
pub(super) fn parse<'t>(
    file: FileId,
    text: &'t str,
    from: usize,
    findings: &mut Findings,
) -> Node<'t> {
    let mut behind = FIRST;
    let (root, errors) = loop {
        let part = up_to(text, from.saturating_add(behind));
        let (root, errors) = DeTable::parse_recoverable(part);
        let errors = in_order(file, errors);
        if part.len() == text.len() {
            break (root, errors);
        }
        if let Some(errors) = more_than_shown(text, errors) {
            findings.stopped();
            break (root, errors);
        }
        behind = behind.saturating_mul(MORE);
    };
    report(file, text, errors, findings);
    let value = Value::Table(table(file, text, root.into_inner()));
    let span = Span::new(file, 0..0);
    Node { span, value }
}

/// The parser's messages when it takes the text behind an unclosed array for items.
const ASTRAY: [&str; 4] = [
    "missing comma between array elements",
    "string values must be quoted",
    "unexpected `=` in array",
    "unclosed array",
];

/// The start of a text, including all of its last line unless that is as long as a file.
fn up_to(text: &str, length: usize) -> &str {
    let Some(rest) = text.as_bytes().get(length..) else {
        return text;
    };
    let line = rest.iter().take(FIRST).position(|byte| *byte == b'\n');
    let mut end = line.map_or(length, |line| length + line + 1);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    &text[..end]
}

fn in_order(file: FileId, errors: Vec<Error>) -> Vec<(Span, Error)> {
    let place = |error: &Error| Span::new(file, error.span().unwrap_or(0..0));
    let mut errors: Vec<_> = errors.into_iter().map(|e| (place(&e), e)).collect();
    errors.sort_by_key(|(span, _)| span.start);
    errors
}

/// The errors on as many lines as are shown, if there are more: errors caused by the cut are not
/// among these. Too many errors for a person to read, even on few lines, count as more too.
fn more_than_shown(text: &str, mut errors: Vec<(Span, Error)>) -> Option<Vec<(Span, Error)>> {
    let mut lines = 0;
    let mut at = 0;
    for (number, (span, _)) in errors.iter().enumerate() {
        let start = span.start as usize;
        let between = text.as_bytes().get(at..start).unwrap_or_default();
        at = start.max(at);
        if number == 0 || between.contains(&b'\n') {
            lines += 1;
        }
        if lines > SHOWN || number >= MOST {
            errors.truncate(number);
            return Some(errors);
        }
    }
    None
}

/// Reports syntax errors: the first of each line, and the first of an unclosed array.
fn report(file: FileId, text: &str, errors: Vec<(Span, Error)>, findings: &mut Findings) {
    let mut in_array = false;
    let mut twice = Twice::new(file, text);
    for (span, error) in errors {
        let message = error.message();
        if message.starts_with(DUPLICATE) {
            match twice.diagnostic(span) {
                // Not a misread line: its header means what it says.
                Some(found) if found.code == Code::DuplicateName => {
                    findings.incomplete = true;
                    findings.push(found);
                }
                Some(found) => findings.push_syntax(found, false),
                None => findings.push_syntax(Diagnostic::new(Code::Syntax, span, message), true),
            }
            continue;
        }
        let astray = ASTRAY.iter().any(|start| message.starts_with(start));
        let follows = in_array && astray;
        in_array = follows || message.starts_with(ASTRAY[0]);
        let foreign = foreign_word(text, span);
        let found = Diagnostic::new(Code::Syntax, span, message).label("not TOML");
        let found = match foreign {
            Some(advice) => found
                .label(format!("not TOML; {}", advice.label))
                .help(advice.help),
            None => found,
        };
        let bare_word = ["invalid boolean", "string values must be quoted"];
        let found = match bare_word.iter().any(|start| message.starts_with(start)) {
            true => found.help("text must be in quotes: \"wlc\""),
            false => found,
        };
        findings.push_syntax(found, follows);
    }
}

/// The word of another program that begins the line: a pasted part of its configuration.
fn foreign_word(text: &str, span: Span) -> Option<dialects::Advice> {
    /// Longer lines are not pasted.
    const FAR: usize = 200;
    let before = text.get(..span.start as usize)?;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    if before.len() - start > FAR {
        return None;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let line = text.get(start..)?.trim_start_matches([' ', '\t']);
    let word = &line[..line.find(|c| !is_word(c)).unwrap_or(line.len())];
    let is_ours =
        ROOT.key(word).is_some() || keys::elsewhere(&ROOT, |key| key.name == word).is_some();
    if word.is_empty() || word.len() > 40 || is_ours {
        return None;
    }
    dialects::key(word, &ROOT)
}

fn table<'t>(file: FileId, text: &str, table: DeTable<'t>) -> Table<'t> {
    let mut entries: Vec<Entry<'_>> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: Span::new(file, key.span()),
            key: key.into_inner(),
            node: node(file, text, value),
        })
        .collect();
    // The crate keeps them by name; diagnostics and server order follow the text.
    entries.sort_by_key(|entry| entry.key_span);
    Table { entries }
}

fn node<'t>(file: FileId, text: &str, value: toml::Spanned<DeValue<'t>>) -> Node<'t> {
    let range = value.span();
    let span = Span::new(file, range.clone());
    let value = match value.into_inner() {
        DeValue::String(string) => {
            let raw = text.get(range).unwrap_or_default();
            Value::Text(Text::new(string, raw))
        }
        DeValue::Integer(integer) => whole(&integer),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(boolean) => Value::Bool(boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(array) => Value::Array(
            array
                .into_iter()
                .map(|item| node(file, text, item))
                .collect(),
        ),
        DeValue::Table(inner) => Value::Table(self::table(file, text, inner)),
    };
    Node { span, value }
}

fn whole(integer: &DeInteger<'_>) -> Value<'static> {
    i64::from_str_radix(integer.as_str(), integer.radix())
        .map_or(Value::LargeInteger, Value::Integer)
}
