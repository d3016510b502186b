//! Writes the tree as TOML, laid out as a person would: a section per service, and a line per
//! server where they do not fit one line.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::words::is_hidden;

/// The longest line for a whole list.
const LINE: usize = 100;

/// The file's text.
pub(super) fn write(document: &Map<String, Value>) -> String {
    let mut out = String::new();
    for (key, value) in document {
        if !value.is_object() {
            line(&mut out, key, value);
        }
    }
    for (key, value) in document {
        let Value::Object(table) = value else {
            continue;
        };
        if matches!(key.as_str(), "pool" | "service") {
            for (name, value) in table {
                let Value::Object(table) = value else {
                    continue;
                };
                section(&mut out, &format!("{key}.{}", self::key(name)), table);
            }
        } else {
            section(&mut out, key, table);
        }
    }
    out
}

fn section(out: &mut String, header: &str, table: &Map<String, Value>) {
    out.push_str("\n[");
    out.push_str(header);
    out.push_str("]\n");
    for (key, value) in table {
        line(out, key, value);
    }
}

fn line(out: &mut String, key: &str, value: &Value) {
    let key = self::key(key);
    let mut inline = String::new();
    self::inline(&mut inline, value);
    match value {
        Value::Array(items) if key.len() + inline.len() > LINE => {
            out.push_str(&key);
            out.push_str(" = [\n");
            for item in items {
                out.push_str("  ");
                self::inline(out, item);
                out.push_str(",\n");
            }
            out.push_str("]\n");
        }
        _ => {
            out.push_str(&key);
            out.push_str(" = ");
            out.push_str(&inline);
            out.push('\n');
        }
    }
}

fn inline(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => quote(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                inline(out, item);
            }
            out.push(']');
        }
        Value::Object(table) => {
            out.push('{');
            for (index, (key, value)) in table.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { " " });
                out.push_str(&self::key(key));
                out.push_str(" = ");
                inline(out, value);
            }
            out.push_str(" }");
        }
        // TOML writes numbers and booleans as JSON does; it has no null, and a document contains
        // none.
        other => out.push_str(&other.to_string()),
    }
}

fn key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) {
        return key.to_owned();
    }
    let mut quoted = String::new();
    quote(&mut quoted, key);
    quoted
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            hidden if is_hidden(hidden) => {
                // Writing to a string cannot fail.
                let _ = match u32::from(hidden) {
                    short @ ..=0xffff => write!(out, "\\u{short:04X}"),
                    long => write!(out, "\\U{long:08X}"),
                };
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
