//! TOML with mistakes in it, by the crate `toml`: the tree as far as it can be read, and every
//! syntax error.

use toml::de::{DeInteger, DeTable, DeValue, Error};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::source::{FileId, Span};
use super::super::tree::{Entry, Node, Table, Text, Value};

/// The tree of a TOML text, as far as it can be read; every syntax error is reported.
pub(super) fn parse<'t>(file: FileId, text: &'t str, findings: &mut Findings) -> Node<'t> {
    let (root, errors) = DeTable::parse_recoverable(text);
    report(file, errors, findings);
    let value = Value::Table(table(file, text, root.into_inner()));
    let span = Span::new(file, 0..0);
    Node { span, value }
}

/// What the parser says when it takes what follows an array without its bracket for items.
const ASTRAY: [&str; 4] = [
    "missing comma between array elements",
    "string values must be quoted",
    "unexpected `=` in array",
    "unclosed array",
];

/// Reports syntax errors: of a line the first, and of an array that was not closed the first.
fn report(file: FileId, errors: Vec<Error>, findings: &mut Findings) {
    let place = |error: &Error| Span::new(file, error.span().unwrap_or(0..0));
    let mut errors: Vec<_> = errors.into_iter().map(|e| (place(&e), e)).collect();
    errors.sort_by_key(|(span, _)| span.start);
    let mut in_array = false;
    for (span, error) in errors {
        let message = error.message();
        let astray = ASTRAY.iter().any(|start| message.starts_with(start));
        let follows = in_array && astray;
        in_array = follows || message.starts_with(ASTRAY[0]);
        let found = Diagnostic::new(Code::Syntax, span, message).label("not TOML");
        let bare_word = ["invalid boolean", "string values must be quoted"];
        let found = match bare_word.iter().any(|start| message.starts_with(start)) {
            true => found.help("text stands in quotes: \"wlc\""),
            false => found,
        };
        findings.push_syntax(found, follows);
    }
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
    // The crate keeps them by name; diagnostics and server order go by the text.
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
