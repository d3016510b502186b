//! A check with everything that it inherits, for a file that has other defaults.

use serde_json::Value as Json;

use super::super::super::diagnostic::Findings;
use super::super::super::keys::Shape;
use super::super::super::source::{FileId, Span};
use super::super::super::tree::{Entry, Node, NodeRef, Table, Text, Value};
use super::super::fields::Field;
use super::{CheckTable, tables};

/// `own`, a value of `check`, with what it inherits from `base`, which is a single check. `None` if
/// its type is not known, as it comes from the environment.
pub(in super::super::super) fn spelled_out(own: &Json, base: &Json) -> Option<Json> {
    if own == &Json::Bool(false) {
        return Some(own.clone());
    }
    let mut findings = Findings::default();
    let base = read(base, None, &mut findings)?;
    let [base] = base.as_slice() else {
        return None;
    };
    let own_tables = read(own, Some(base), &mut findings)?;
    if findings.has_errors() {
        return None;
    }
    let mut written = own_tables
        .iter()
        .map(|table| NodeRef::Node(&table.node).to_json());
    match own {
        Json::Array(_) => written.collect(),
        _ => written.next()?,
    }
}

fn read(
    check: &Json,
    base: Option<&CheckTable>,
    findings: &mut Findings,
) -> Option<Vec<CheckTable>> {
    /// Never shown: nothing here is reported.
    static SHAPE: Shape = Shape::Off;
    let node = node(check)?;
    let place = Field {
        node: NodeRef::Node(&node),
        shape: &SHAPE,
        at: node.span,
    };
    tables(&place, base, findings)
}

fn node(value: &Json) -> Option<Node<'static>> {
    let value = match value {
        Json::String(text) => Value::Text(Text::new(text.clone().into(), "")),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Integer(number.as_i64()?),
        Json::Array(items) => Value::Array(items.iter().map(node).collect::<Option<_>>()?),
        Json::Object(table) => {
            let entries = table.iter().map(|(key, value)| {
                let node = node(value)?;
                Some(Entry {
                    key: key.clone().into(),
                    key_span: node.span,
                    node,
                })
            });
            Value::Table(Table {
                entries: entries.collect::<Option<_>>()?,
            })
        }
        Json::Null => return None,
    };
    let span = Span::new(FileId(0), 0..0);
    Some(Node { span, value })
}
