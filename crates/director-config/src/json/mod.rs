//! Parses JSON into the tree and reports all syntax errors.
//!
//! RFC 8259 only: what other programs reject is rejected here, but the intended meaning is kept, so
//! that the rest of the file is checked too. A comma too many or too few, a word without quotes, a
//! comment: each is reported at its place, and parsing continues behind it.
//!
//! Limits: lists and tables nest at most [`MAX_DEPTH`] deep, and after [`MAX_MISTAKES`] the rest is
//! not read. Every step of a loop consumes at least one character.

mod scalar;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::code::Code;
use super::diagnostic::{Diagnostic, Findings, SHOWN};
use super::source::{FileId, Span};
use super::tree::{Entry, Node, Table, Value};

/// The same depth as in `serde_json`.
const MAX_DEPTH: usize = 127;

/// A person does not read more than this.
const MAX_MISTAKES: usize = SHOWN;

/// The tree of a JSON text, as far as it can be parsed; `None` if it is empty.
pub(super) fn parse<'t>(file: FileId, text: &'t str, findings: &mut Findings) -> Option<Node<'t>> {
    let mut reader = Reader {
        file,
        text,
        at: 0,
        open: Vec::new(),
        items: Vec::new(),
        mistakes: 0,
        said_open: false,
        findings,
    };
    reader.skip_blank();
    if reader.peek().is_none() {
        let span = Span::new(file, 0..text.len());
        reader.findings.push(
            Diagnostic::new(Code::Syntax, span, "the file has no value")
                .help("an empty service file is `{\"version\": 1}`"),
        );
        reader.findings.incomplete = true;
        return None;
    }
    let node = reader.value();
    reader.skip_blank();
    if reader.peek().is_some() {
        let rest = reader.character();
        reader.report(rest, "a JSON text is one value, which ended before this");
    }
    Some(node)
}

struct Reader<'t, 'f> {
    file: FileId,
    text: &'t str,
    at: usize,
    /// The starts of the open lists and tables, innermost last.
    open: Vec<usize>,
    /// The items of the open lists, so that a list is allocated once its length is known.
    items: Vec<Node<'t>>,
    mistakes: usize,
    /// Whether the premature end of the text was reported.
    said_open: bool,
    findings: &'f mut Findings,
}

impl<'t> Reader<'t, '_> {
    /// Parses a value. If there is none, reports that, and skips only what can neither start nor
    /// end anything.
    fn value(&mut self) -> Node<'t> {
        let start = self.at;
        let value = match self.peek() {
            Some(b'[') => self.nested(Self::array),
            Some(b'{') => self.nested(|reader| Value::Table(reader.table())),
            None | Some(b',' | b']' | b'}') => {
                let place = self.character();
                self.report(place, "a value is missing");
                Value::Unreadable
            }
            Some(_) => self.scalar(),
        };
        let span = self.span(start..self.at);
        Node { span, value }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Value<'t>) -> Value<'t> {
        if self.open.len() == MAX_DEPTH {
            let message = format!("lists and tables are nested more than {MAX_DEPTH} deep");
            self.report(self.at..self.at + 1, &message);
            self.stop();
            return Value::Unreadable;
        }
        self.open.push(self.at);
        self.at += 1;
        let value = read(self);
        self.open.pop();
        value
    }

    fn array(&mut self) -> Value<'t> {
        let before = self.items.len();
        while !self.ends(b']') {
            let item = self.value();
            self.items.push(item);
            self.separator(b']');
        }
        Value::Array(self.items.drain(before..).collect())
    }

    fn table(&mut self) -> Table<'t> {
        let mut keys = Keys::default();
        let mut entries = Vec::new();
        while !self.ends(b'}') {
            let start = self.at;
            let Some(key) = self.key() else { continue };
            let key_span = self.span(start..self.at);
            self.skip_blank();
            self.colon();
            self.skip_blank();
            let node = self.value();
            match keys.first(&entries, &key, key_span) {
                Some(first) => {
                    let message = format!("duplicate key `{key}`");
                    self.findings.push(
                        Diagnostic::new(Code::DuplicateKey, key_span, message)
                            .label("the second time")
                            .also(first, "the first time"),
                    );
                }
                None => entries.push(Entry {
                    key,
                    key_span,
                    node,
                }),
            }
            self.separator(b'}');
        }
        Table { entries }
    }

    /// Whether the innermost list or table ends here; consumes its closing bracket.
    fn ends(&mut self, closing: u8) -> bool {
        loop {
            self.skip_blank();
            match self.peek() {
                None => {
                    self.report_open();
                    return true;
                }
                Some(byte) if byte == closing => {
                    self.at += 1;
                    return true;
                }
                Some(b',') => {
                    let comma = self.at..self.at + 1;
                    self.at += 1;
                    self.report(comma, "there is nothing before this comma");
                }
                Some(byte @ (b']' | b'}')) => {
                    let (begin, opening) = self.innermost();
                    let close = char::from(byte);
                    let message = format!("`{close}` cannot close what `{opening}` opened");
                    let place = self.span(self.at..self.at + 1);
                    let found = Diagnostic::new(Code::Syntax, place, message)
                        .label("not JSON")
                        .also(self.span(begin..begin + 1), "opened here");
                    let outer = &self.open[..self.open.len().saturating_sub(1)];
                    let opens = if byte == b']' { b'[' } else { b'{' };
                    // If the bracket belongs to an outer one, the inner one was not closed.
                    let is_outer = outer.iter().any(|at| self.text.as_bytes()[*at] == opens);
                    self.at += usize::from(!is_outer);
                    self.push(found, false);
                    if is_outer {
                        return true;
                    }
                }
                Some(_) => return false,
            }
        }
    }

    /// Reports the end of the text inside a list or table, for the innermost only.
    fn report_open(&mut self) {
        let (begin, opening) = self.innermost();
        let follows = std::mem::replace(&mut self.said_open, true);
        let what = if opening == '[' { "list" } else { "table" };
        let message = format!("the {what} is not closed");
        let place = self.span(begin..begin + 1);
        let found = Diagnostic::new(Code::Syntax, place, message).label("opened here");
        self.push(found, follows);
    }

    /// The start and the bracket of the innermost list or table.
    fn innermost(&self) -> (usize, char) {
        let begin = self.open.last().copied().unwrap_or_default();
        (begin, char::from(self.text.as_bytes()[begin]))
    }

    /// The comma behind an item, or the end of the list or table.
    fn separator(&mut self, closing: u8) {
        self.skip_blank();
        match self.peek() {
            Some(b',') => {
                let comma = self.at..self.at + 1;
                self.at += 1;
                self.skip_blank();
                if self.peek() == Some(closing) {
                    self.report(comma, "trailing commas are not allowed");
                }
            }
            None | Some(b']' | b'}') => {}
            Some(_) => {
                let place = self.character();
                self.report(place, "a comma is missing before this");
            }
        }
    }

    fn colon(&mut self) {
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(b'=') => {
                let place = self.at..self.at + 1;
                self.at += 1;
                self.report(place, "a colon must separate key and value");
            }
            _ => {
                let place = self.character();
                self.report(place, "a colon is missing before this");
            }
        }
    }

    /// A key; `None` (reported and skipped) if there is none.
    fn key(&mut self) -> Option<Cow<'t, str>> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            // A mistake in it is reported; it remains a key.
            return Some(self.string().unwrap_or_default());
        }
        let word = self.word();
        if word.is_empty() {
            let place = self.character();
            self.at = place.end;
            self.report(place, "a key cannot start like this");
            return None;
        }
        self.report(word.clone(), "a key must be in double quotes");
        Some(Cow::Borrowed(&self.text[word]))
    }

    /// Skips white space, and comments, which it reports.
    fn skip_blank(&mut self) {
        loop {
            while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
                self.at += 1;
            }
            let rest = &self.text[self.at..];
            let length = if rest.starts_with("//") || rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(inner) = rest.strip_prefix("/*") {
                inner.find("*/").map_or(rest.len(), |end| end + 4)
            } else {
                return;
            };
            let comment = self.at..self.at + length;
            self.at = comment.end;
            self.report(comment, "JSON has no comments");
        }
    }

    /// Reports a mistake. It may be the last one reported; [`stop`](Self::stop) then goes to the
    /// end, so callers that continue must advance before reporting.
    fn report(&mut self, place: Range<usize>, message: &str) {
        let place = self.span(place);
        self.push(
            Diagnostic::new(Code::Syntax, place, message).label("not JSON"),
            false,
        );
    }

    fn push(&mut self, found: Diagnostic, follows: bool) {
        self.mistakes += 1;
        if self.mistakes <= MAX_MISTAKES {
            self.findings.push_syntax(found, follows);
        }
        if self.mistakes == MAX_MISTAKES {
            if self.at < self.text.len() {
                self.findings.stopped();
            }
            self.stop();
        }
    }

    /// Goes to the end without further reports.
    fn stop(&mut self) {
        self.at = self.text.len();
        self.said_open = true;
        self.mistakes = MAX_MISTAKES;
    }

    /// The current character, or the end of the text.
    fn character(&self) -> Range<usize> {
        let length = self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        self.at..self.at + length
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }
}

/// The keys of a table. Small tables are searched linearly.
#[derive(Default)]
struct Keys<'t> {
    places: HashMap<Cow<'t, str>, Span>,
}

impl<'t> Keys<'t> {
    /// The largest table that is searched linearly.
    const FEW: usize = 16;

    /// The place of an existing equal key; otherwise adds the key.
    fn first(&mut self, entries: &[Entry<'t>], key: &str, span: Span) -> Option<Span> {
        if entries.len() < Self::FEW {
            let same = entries.iter().find(|entry| entry.key == key);
            return same.map(|entry| entry.key_span);
        }
        if self.places.is_empty() {
            let known = entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.key_span));
            self.places.extend(known);
        }
        if let Some(first) = self.places.get(key) {
            return Some(*first);
        }
        self.places.insert(key.to_owned().into(), span);
        None
    }
}
