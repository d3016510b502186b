//! TOML into the tree.

use toml::de::{DeInteger, DeTable, DeValue};

use super::code::Code;
use super::diagnostic::{Diagnostic, Findings};
use super::source::{FileId, Span};
use super::tree::{Entry, Node, Table, Text, Value};

/// The tree of a TOML text, as far as it can be read; every syntax error is reported.
pub(super) fn parse(file: FileId, text: &str, findings: &mut Findings) -> Node {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let span = Span::new(file, range);
        findings.push(Diagnostic::new(Code::Syntax, span, error.message()).label("not TOML"));
    }
    findings.incomplete |= !errors.is_empty();
    let value = Value::Table(table(file, text, root.into_inner()));
    let span = Span::new(file, 0..0);
    Node { span, value }
}

fn table(file: FileId, text: &str, table: DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| Entry {
            key_span: Span::new(file, key.span()),
            key: key.into_inner().into_owned(),
            node: node(file, text, value),
        })
        .collect();
    // The crate keeps them by name; diagnostics and server order go by the text.
    entries.sort_by_key(|entry| entry.key_span);
    Table { entries }
}

fn node(file: FileId, text: &str, value: toml::Spanned<DeValue<'_>>) -> Node {
    let range = value.span();
    let span = Span::new(file, range.clone());
    let value = match value.into_inner() {
        DeValue::String(string) => {
            let raw = text.get(range).unwrap_or_default();
            Value::Text(Text::new(string.into_owned(), raw))
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

fn whole(integer: &DeInteger<'_>) -> Value {
    i64::from_str_radix(integer.as_str(), integer.radix())
        .map_or(Value::LargeInteger, Value::Integer)
}
