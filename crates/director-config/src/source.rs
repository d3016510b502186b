//! The texts of a service file and its includes, and positions in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The longest file that is read, in bytes. A table of 60,000 servers has four million.
pub const MAX_FILE: usize = 64 << 20;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// JSON according to RFC 8259: no comments, no trailing commas.
    Json,
}

impl Format {
    /// The format for an extension: `.json` is JSON, everything else TOML.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// The index of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(super) u32);

/// A range of bytes in a file, from `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// From byte offsets. Files are shorter than [`MAX_FILE`], so offsets fit; one that does not
    /// (it cannot belong to a file) becomes the largest.
    pub(super) fn new(file: FileId, range: std::ops::Range<usize>) -> Self {
        let fit = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            file,
            start: fit(range.start),
            end: fit(range.end),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<T> Spanned<T> {
    pub(super) const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned::new(change(self.value), self.span)
    }
}

/// A position as people and editors count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// One file's text.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Built when a position is requested: a file without a mistake needs none.
    index: OnceLock<Index>,
}

/// An index of lines and columns.
#[derive(Debug, Clone)]
struct Index {
    /// The start of each line.
    lines: Vec<usize>,
    /// The number of characters that start before every [`STEP`]th byte: a column far into a line
    /// of megabytes is counted from the nearest of these.
    characters: Vec<usize>,
}

/// The distance of these counts, in bytes.
const STEP: usize = 1024;

impl Index {
    fn of(text: &str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_breaks).collect();
        let mut total = 0;
        let characters = text.as_bytes().chunks(STEP).map(|chunk| {
            let before = total;
            total += starts(chunk);
            before
        });
        let characters = characters.collect();
        Self { lines, characters }
    }
}

impl Source {
    fn new(path: PathBuf, text: String) -> Self {
        let index = OnceLock::new();
        Self { path, text, index }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.text))
    }

    /// The path as given, or as the `include` found it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line that contains a byte, from 0.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.index().lines.partition_point(|start| *start <= offset) - 1
    }

    /// The bytes of a line, counted from 0, without its line ending.
    pub(super) fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let start = self.index().lines[line];
        let end = match self.index().lines.get(line + 1) {
            Some(next) => next - 1,
            None => self.text.len(),
        };
        let carriage_return = self.text[start..end].ends_with('\r');
        start..end - usize::from(carriage_return)
    }

    /// The position of a byte.
    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = floor_boundary(&self.text, offset);
        let line = self.line_of(offset);
        Position {
            line: line + 1,
            column: self.characters_before(offset)
                - self.characters_before(self.index().lines[line])
                + 1,
        }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let step = offset / STEP;
        match self.index().characters.get(step) {
            Some(before) => before + starts(&self.text.as_bytes()[step * STEP..offset]),
            // The end of a text whose length is a multiple of the step.
            None => starts(self.text.as_bytes()),
        }
    }
}

/// The files that were read, the root file first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// The number that the next text gets.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.files.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn add(&mut self, path: PathBuf, text: String) -> FileId {
        let id = self.next();
        self.files.push(Source::new(path, text));
        FileId(id)
    }

    /// Takes the texts out once they are no longer needed for display.
    pub(super) fn take_texts(&mut self) -> Vec<(PathBuf, Arc<Vec<u8>>)> {
        let files = self.files.iter_mut();
        let taken = files.map(|file| {
            file.index = OnceLock::new();
            let text = std::mem::take(&mut file.text).into_bytes();
            (file.path.clone(), Arc::new(text))
        });
        taken.collect()
    }

    /// Copies of the texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (PathBuf, Arc<Vec<u8>>)> {
        let copied = |file: &Source| (file.path.clone(), Arc::new(file.text.clone().into_bytes()));
        self.files.iter().map(copied)
    }

    /// The files in reading order.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// The file of a span.
    ///
    /// # Panics
    /// If the span belongs to other sources.
    #[must_use]
    pub fn file(&self, file: FileId) -> &Source {
        &self.files[file.0 as usize]
    }

    /// The start and the end of a span; the end is the position after its last character.
    ///
    /// # Panics
    /// If the span belongs to other sources.
    #[must_use]
    pub fn positions(&self, span: Span) -> (Position, Position) {
        let source = self.file(span.file);
        (
            source.position(span.start as usize),
            source.position(span.end as usize),
        )
    }
}

/// The number of characters that start in these bytes of a text.
fn starts(bytes: &[u8]) -> usize {
    let is_start = |byte: &&u8| **byte & 0xc0 != 0x80;
    bytes.iter().filter(is_start).count()
}

/// The last character boundary at or before `offset`.
pub(super) fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_before_their_break() {
        let mut sources = Sources::default();
        let file = sources.add("a.toml".into(), "a = 1\r\nü = \"x\"\n".to_owned());
        let (start, end) = sources.positions(Span::new(file, 12..15));
        assert_eq!((start.line, start.column), (2, 5));
        assert_eq!((end.line, end.column), (2, 8));
        assert_eq!(sources.file(file).line_range(0), 0..5);
        assert_eq!(sources.file(file).line_range(2), 16..16);
        let (start, _) = sources.positions(Span::new(file, 16..16));
        assert_eq!((start.line, start.column), (3, 1));
    }

    #[test]
    fn columns_of_a_long_line_are_those_that_counting_finds() {
        let mut sources = Sources::default();
        let text = "aüß€\n".repeat(3) + &"x€".repeat(512);
        assert_eq!(text.len() % 2, 1);
        let file = sources.add("a.toml".into(), text.clone());
        let last = text.rfind('\n').unwrap() + 1;
        for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
            if offset >= last {
                let counted = text[last..offset].chars().count() + 1;
                let position = sources.file(file).position(offset);
                assert_eq!(
                    position,
                    Position {
                        line: 4,
                        column: counted
                    }
                );
            }
        }
        let even = "x".repeat(2 * STEP);
        let file = sources.add("b.toml".into(), even);
        assert_eq!(sources.file(file).position(2 * STEP).column, 2 * STEP + 1);
    }

    #[test]
    fn only_json_is_json() {
        assert_eq!(Format::of(Path::new("a.JSON")), Format::Json);
        assert_eq!(Format::of(Path::new("json")), Format::Toml);
        assert_eq!(Format::of(Path::new("a.conf")), Format::Toml);
    }
}
