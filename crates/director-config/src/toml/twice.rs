//! Keys and tables that a TOML text has twice.
//!
//! The crate `toml` reports each key of a repeated table, and names none. A person who copied a
//! service and forgot to rename it made one mistake.

use std::ops::Range;

use super::super::code::Code;
use super::super::diagnostic::Diagnostic;
use super::super::source::{FileId, Span};

/// The start of the crate's message.
pub(super) const DUPLICATE: &str = "duplicate key";

/// What the text has twice, as far as it is known.
pub(super) struct Twice<'t> {
    file: FileId,
    text: &'t str,
    /// Once the first duplicate needs them.
    headers: Option<Vec<Header>>,
    /// The name of the last table that was reported, and the place of its header.
    repeated: Option<(String, usize)>,
}

/// A header of a table.
struct Header {
    /// Its name, such as `service.web`.
    name: String,
    /// The brackets and what is in them.
    place: Range<usize>,
}

impl<'t> Twice<'t> {
    pub(super) const fn new(file: FileId, text: &'t str) -> Self {
        Self {
            file,
            text,
            headers: None,
            repeated: None,
        }
    }

    /// The diagnostic for a key at this place; `None` if it follows from an earlier one.
    pub(super) fn diagnostic(&mut self, span: Span) -> Option<Diagnostic> {
        let place = span.start as usize..span.end as usize;
        let text = self.text;
        let headers = self.headers.get_or_insert_with(|| headers(text));
        let until = headers.partition_point(|header| header.place.start <= place.start);
        let (before, header) = match headers[..until].split_last() {
            Some((last, before)) => (before, Some(last)),
            None => (&[][..], None),
        };
        if let Some(header) = header
            && let Some((name, at)) = &self.repeated
            && is_within(&header.name, name)
            // A third table of this name is a mistake of its own.
            && (header.name != *name || header.place.start == *at)
        {
            return None;
        }
        let Some(header) = header.filter(|header| header.place.contains(&place.start)) else {
            let key = text.get(place).unwrap_or_default();
            let message = format!("duplicate key `{}`", key.trim_matches(['"', '\'']));
            return Some(Diagnostic::new(Code::Syntax, span, message).label("the second one"));
        };
        let first = before.iter().find(|other| other.name == header.name);
        let found = match header.name.split_once('.') {
            Some((word @ ("service" | "pool"), name)) if !name.contains('.') => {
                let message = format!("two {word}s are named `{name}`");
                Diagnostic::new(Code::DuplicateName, span, message)
            }
            _ => {
                let message = format!("duplicate table `[{}]`", header.name);
                Diagnostic::new(Code::Syntax, span, message)
            }
        };
        let found = found.label("the second one");
        let found = match first {
            Some(first) => found.also(Span::new(self.file, first.place.clone()), "the first one"),
            None => found,
        };
        self.repeated = Some((header.name.clone(), header.place.start));
        Some(found)
    }
}

/// Whether a table is this one, or within it.
fn is_within(name: &str, table: &str) -> bool {
    let rest = name.strip_prefix(table);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The headers of tables in order, line by line.
fn headers(text: &str) -> Vec<Header> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').filter_map(|line| {
        let start = at;
        at += line.len();
        header(line, start)
    });
    lines.collect()
}

fn header(line: &str, at: usize) -> Option<Header> {
    let trimmed = line.trim_start_matches([' ', '\t']);
    let inner = trimmed.strip_prefix('[')?;
    // Entries of a list repeat their header.
    if inner.starts_with('[') {
        return None;
    }
    let name = &inner[..inner.find(']')?];
    let parts = name
        .split('.')
        .map(|part| part.trim().trim_matches(['"', '\'']));
    let start = at + line.len() - trimmed.len();
    Some(Header {
        name: parts.collect::<Vec<_>>().join("."),
        place: start..start + name.len() + 2,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::diagnostic::Findings;
    use super::super::super::source::Sources;
    use super::super::parse;

    fn messages(text: &str) -> Vec<String> {
        let mut sources = Sources::default();
        let file = sources.add("a.toml".into(), text.to_owned());
        let mut findings = Findings::default();
        parse(file, text, &mut findings);
        let found = findings.into_sorted(&sources);
        found.into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn a_table_that_is_there_twice_is_one_mistake_that_names_it() {
        let service = "listen = \"tcp://192.0.2.1:80\"\nservers = [\"10.0.0.1\"]\n";
        let check = "check = \"tcp\"\n";
        for (text, expected) in [
            (
                format!(
                    "[service.a]\n{service}[service.b]\n{service}[service.a]\n{service}{check}"
                ),
                "two services are named `a`",
            ),
            (
                format!("[pool.a]\n{service}\n[ pool . \"a\" ]\n{service}"),
                "two pools are named `a`",
            ),
            (
                format!(
                    "[service.a]\n{service}[service.a.check]\nx = 1\n[service.a]\n{service}[service.a.check]\nx = 1\n"
                ),
                "two services are named `a`",
            ),
            (
                "[kernel]\na = 1\n[kernel]\na = 2\nb = 2\n".to_owned(),
                "duplicate table `[kernel]`",
            ),
            (
                "[kernel]\na = 1\n\"a\" = 2\n".to_owned(),
                "duplicate key `a`",
            ),
            ("a.b = 1\na.b = 2\n".to_owned(), "duplicate key `b`"),
        ] {
            assert_eq!(messages(&text), [expected], "{text}");
        }
    }

    #[test]
    fn each_repetition_is_a_mistake() {
        let text = "[service.a]\nx = 1\n[service.a]\nx = 1\n[service.ab]\nx = 1\nx = 2\n[service.a]\nx = 1\n";
        let expected = [
            "two services are named `a`",
            "duplicate key `x`",
            "two services are named `a`",
        ];
        assert_eq!(messages(text), expected);
    }
}
