//! Divides a TOML text at its headers, line by line and without a parser.
//!
//! This is correct for a text that a parser accepted: without multi-line strings, a line that
//! starts with `[` is a header or an item of a list, and `[word` is not an item, since a word
//! without quotes is not a value. A text in which this does not identify all headers is not
//! divided.
//!
//! It is also correct for a partly changed text if the parser accepts the new sections among others
//! of the same file: an unclosed list or table in one of them cannot continue with the `[word` of
//! the next one, nor with the end of the file.

use std::ops::Range;

/// From a header up to the next one; the first section has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) start: u32,
    pub(super) kind: Kind,
}

/// The subject of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A service, or a part of it, with the position of its name.
    Service(Range<u32>),
    /// A pool, or a part of it.
    Pool(Range<u32>),
    Other,
}

/// Words that are values, so that `[word` may not be a header.
const VALUES: [&str; 4] = ["true", "false", "inf", "nan"];

impl Section {
    pub(super) fn at(&self) -> usize {
        self.start as usize
    }

    /// The same section in a text in which position `from` has moved to `to`.
    pub(super) fn moved(&self, from: usize, to: usize) -> Option<Self> {
        let moved = |at: u32| u32::try_from((at as usize).checked_sub(from)? + to).ok();
        let range = |name: &Range<u32>| Some(moved(name.start)?..moved(name.end)?);
        Some(Self {
            start: moved(self.start)?,
            kind: match &self.kind {
                Kind::Service(name) => Kind::Service(range(name)?),
                Kind::Pool(name) => Kind::Pool(range(name)?),
                Kind::Other => Kind::Other,
            },
        })
    }
}

/// The sections of a whole text, or `None` if they cannot be told.
pub(super) fn divide(text: &str) -> Option<Vec<Section>> {
    if text.starts_with('\u{feff}') {
        return None;
    }
    let mut sections = vec![Section {
        start: 0,
        kind: Kind::Other,
    }];
    add(text, 0, &mut sections)?;
    Some(sections)
}

/// Adds the sections of a part of a text, which is at `offset` and starts with a line.
pub(super) fn add(part: &str, offset: usize, sections: &mut Vec<Section>) -> Option<()> {
    if part.contains("\"\"\"") || part.contains("'''") {
        return None;
    }
    let mut at = offset;
    for line in part.split_inclusive('\n') {
        let header = line.trim_start_matches([' ', '\t']);
        if header.starts_with('[') {
            let kind = kind(header, at + line.len() - header.len())?;
            let start = u32::try_from(at).ok()?;
            sections.push(Section { start, kind });
        }
        at += line.len();
    }
    Some(())
}

/// The subject of a header's section; `None` if the line may be no header, or names a service in
/// another way than `[service.name]`.
fn kind(header: &str, at: usize) -> Option<Kind> {
    let inner = header.strip_prefix('[')?;
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    let (word, rest) = bare(inner);
    if !word.starts_with(|first: char| first.is_ascii_alphabetic()) || VALUES.contains(&word) {
        return None;
    }
    if !matches!(word, "service" | "pool") {
        return rest.starts_with(['.', ']']).then_some(Kind::Other);
    }
    let (name, rest) = bare(rest.strip_prefix('.')?);
    if name.is_empty() || !rest.starts_with(['.', ']']) {
        return None;
    }
    let start = at + header.len() - rest.len() - name.len();
    let fit = |at: usize| u32::try_from(at).ok();
    let range = fit(start)?..fit(start + name.len())?;
    Some(match word {
        "service" => Kind::Service(range),
        _ => Kind::Pool(range),
    })
}

/// An unquoted key, and the text behind it.
fn bare(text: &str) -> (&str, &str) {
    let ends = |byte: u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let length = text.bytes().position(ends);
    text.split_at(length.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Option<Vec<(u32, String)>> {
        let sections = divide(text)?.into_iter().map(|section| {
            let said = match section.kind {
                Kind::Service(name) => {
                    format!("service {}", &text[name.start as usize..name.end as usize])
                }
                Kind::Pool(name) => {
                    format!("pool {}", &text[name.start as usize..name.end as usize])
                }
                Kind::Other => "other".to_owned(),
            };
            (section.start, said)
        });
        Some(sections.collect())
    }

    #[test]
    fn a_section_goes_from_its_header_to_the_next_one() {
        let text = "version = 1\r\n[service.a-1]\nlisten = [\n\"[service.x]\"\n]\n\t[service.a-1.check]\n\
                    #[service.y]\n[[pool.p.servers]]\n[defaults]\nx = '[service.z]'";
        let expected = [
            (0, "other"),
            (13, "service a-1"),
            (54, "service a-1"),
            (88, "pool p"),
            (107, "other"),
        ];
        let expected = expected.map(|(at, kind)| (at, kind.to_owned()));
        assert_eq!(kinds(text).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_told_is_not_divided() {
        for text in [
            "\u{feff}[service.a]",
            "[service]",
            "[\"service\".a]",
            "[service.\"a\"]",
            "[ service.a]",
            "[service .a]",
            "[service.a .check]",
            "[pool]",
            "a = [\n[1, 2]]",
            "a = [\n[true]]",
            "a = [\n[\"x\"]]",
            "a = \"\"\"\n[service.a]\n\"\"\"",
            "a = '''\n'''",
            "[service.",
            "[x",
        ] {
            assert_eq!(kinds(text), None, "{text:?}");
        }
    }
}
