//! YAML as kubeconfigs have it, as the values of JSON. Numbers stay texts: a kubeconfig has none, but
//! names and tokens that look like them.
//!
//! Aliases and tags are errors: no program writes them here, and aliases can make a small file huge.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use crate::words::printable;

/// The deepest nesting; a kubeconfig has about six levels.
const DEEPEST: usize = 32;

/// The value of a text with one document.
pub(super) fn value(text: &str) -> Result<Value, String> {
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| printable(&error.to_string()))?;
        let line = span.start.line();
        let wrong = |what: &str| Err(format!("line {line}: {what}"));
        let done = match event {
            Event::Alias(_) => return wrong("director reads no aliases"),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return wrong("director reads no tags"),
            Event::DocumentStart(_) if root.is_some() => return wrong("a second document"),
            Event::SequenceStart(..) | Event::MappingStart(..) if stack.len() >= DEEPEST => {
                return wrong("nested too deeply");
            }
            Event::SequenceStart(..) => {
                stack.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push(Open::Table(Map::new(), None));
                continue;
            }
            Event::Scalar(text, style, _, None) => scalar(&text, style),
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Table(table, _)) => Value::Object(table),
                None => return wrong("an end without a start"),
            },
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(done),
            Some(Open::List(items)) => items.push(done),
            Some(Open::Table(table, key)) => match (key.take(), done) {
                (Some(key), value) => {
                    if table.insert(key, value).is_some() {
                        return wrong("a key that is there twice");
                    }
                }
                (None, Value::String(text)) => *key = Some(text),
                (None, _) => return wrong("a key that is no text"),
            },
        }
    }
    root.ok_or_else(|| "it is empty".to_owned())
}

/// A collection whose end did not come yet.
enum Open {
    List(Vec<Value>),
    /// With a key that waits for its value.
    Table(Map<String, Value>, Option<String>),
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        (ScalarStyle::Plain, "true") => Value::Bool(true),
        (ScalarStyle::Plain, "false") => Value::Bool(false),
        (_, text) => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;
