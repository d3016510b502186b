//! JSON into the tree.

use std::borrow::Cow;
use std::collections::HashMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::code::Code;
use super::diagnostic::{Diagnostic, Findings};
use super::source::{FileId, Span};
use super::tree::{Entry, Node, Table, Text, Value};

/// RFC 8259 and nothing else: what other programs refuse is not taken here either.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The tree of a JSON text; `None` after a syntax error, which is reported.
pub(super) fn parse<'t>(file: FileId, text: &'t str, findings: &mut Findings) -> Option<Node<'t>> {
    let parsed = match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => parsed,
        Err(error) => {
            let range = error.range();
            let span = Span::new(file, range.start..range.end);
            let message = uncapitalised(&error.kind().to_string());
            let found = Diagnostic::new(Code::Syntax, span, message).label("not JSON");
            findings.push_syntax(found, false);
            return None;
        }
    };
    let Some(value) = parsed.value else {
        let span = Span::new(file, 0..text.len());
        findings.push(
            Diagnostic::new(Code::Syntax, span, "there is no value")
                .help("an empty service file is `{\"version\": 1}`"),
        );
        findings.incomplete = true;
        return None;
    };
    Some(Reader { file, text }.node(value, findings))
}

struct Reader<'t> {
    file: FileId,
    text: &'t str,
}

impl<'t> Reader<'t> {
    fn span(&self, ranged: &impl Ranged) -> Span {
        let range = ranged.range();
        Span::new(self.file, range.start..range.end)
    }

    /// The depth is bounded by the parser, which refuses 512 levels.
    fn node(&self, value: ast::Value<'t>, findings: &mut Findings) -> Node<'t> {
        let span = self.span(&value);
        let value = match value {
            ast::Value::StringLit(string) => {
                let raw = self.text.get(string.range.start..string.range.end);
                Value::Text(Text::new(string.value, raw.unwrap_or_default()))
            }
            ast::Value::NumberLit(number) => whole(number.value),
            ast::Value::BooleanLit(boolean) => Value::Bool(boolean.value),
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::Array(array) => {
                let items = array.elements.into_iter();
                Value::Array(items.map(|item| self.node(item, findings)).collect())
            }
            ast::Value::Object(object) => Value::Table(self.table(object, findings)),
        };
        Node { span, value }
    }

    fn table(&self, object: ast::Object<'t>, findings: &mut Findings) -> Table<'t> {
        let mut seen: HashMap<Cow<'t, str>, Span> = HashMap::new();
        let mut entries = Vec::with_capacity(object.properties.len());
        for property in object.properties {
            let key_span = self.span(&property.name);
            let key = match property.name {
                ast::ObjectPropName::String(name) => name.value,
                ast::ObjectPropName::Word(name) => name.value.into(),
            };
            if let Some(first) = seen.get(&key) {
                let message = format!("the key `{key}` stands here twice");
                findings.push(
                    Diagnostic::new(Code::DuplicateKey, key_span, message)
                        .label("the second time")
                        .also(*first, "the first time"),
                );
                continue;
            }
            seen.insert(key.clone(), key_span);
            entries.push(Entry {
                key,
                key_span,
                node: self.node(property.value, findings),
            });
        }
        Table { entries }
    }
}

/// JSON does not tell whole numbers from fractions: `2.0` is a fraction here, as it is in TOML.
fn whole(number: &str) -> Value<'static> {
    match number.parse() {
        Ok(number) => Value::Integer(number),
        Err(_) if number.contains(['.', 'e', 'E']) => Value::Float,
        Err(_) => Value::LargeInteger,
    }
}

fn uncapitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_lowercase().chain(characters).collect())
        .unwrap_or_default()
}
