//! Diagnostics for programs: editors, CI.
//!
//! ```json
//! [{ "code": "unknown-key", "severity": "error", "message": "...",
//!    "file": "a.toml", "start": {"line": 3, "column": 1}, "end": {"line": 3, "column": 9},
//!    "label": "did you mean `scheduler`?", "related": [], "help": ["..."], "notes": [] }]
//! ```
//!
//! `file`, `start` and `end` are missing if there is no text to show, for example if the file does
//! not exist. Lines and columns count from 1, columns in characters; `end` is the place after the
//! last one.

use serde_json::{Map, Value, json};

use super::diagnostic::{Diagnostic, Label, Note};
use super::source::{Position, Sources};

/// All diagnostics as a list of objects.
pub(super) fn report(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    diagnostics
        .iter()
        .map(|diagnostic| Value::Object(object(diagnostic, sources)))
        .collect()
}

fn object(diagnostic: &Diagnostic, sources: &Sources) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("code", diagnostic.code.name().into());
    put("severity", diagnostic.severity.name().into());
    put("message", diagnostic.message.as_str().into());
    let mut labels = diagnostic.labels.iter();
    if let Some(label) = labels.next() {
        for (key, value) in place(label, sources) {
            put(&key, value);
        }
    }
    put(
        "related",
        labels
            .map(|label| Value::Object(place(label, sources)))
            .collect(),
    );
    let notes = |help: bool| -> Value {
        let wanted = diagnostic.notes.iter().filter_map(|note| match note {
            Note::Help(text) if help => Some(text.as_str()),
            Note::Reason(text) if !help => Some(text.as_str()),
            _ => None,
        });
        wanted.collect()
    };
    put("help", notes(true));
    put("notes", notes(false));
    object
}

fn place(label: &Label, sources: &Sources) -> Map<String, Value> {
    let (start, end) = sources.positions(label.span);
    let position = |at: Position| json!({ "line": at.line, "column": at.column });
    let path = sources.file(label.span.file).path().display().to_string();
    let pairs = [
        ("file", Value::from(path)),
        ("start", position(start)),
        ("end", position(end)),
        ("label", Value::from(label.text.as_str())),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
