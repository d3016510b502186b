//! Diagnostics for people, printed as rustc does.
//!
//! The renderer gets only the lines to show, and of a long line (a JSON file may be one line of
//! megabytes) only the part around the underlined text: otherwise the cost would be the number of
//! mistakes times the length of the file.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::code::Severity;
use super::diagnostic::{Diagnostic, Label, Note};
use super::secrets::masked;
use super::source::{Source, Sources, floor_boundary};
use crate::words::{printable, safe_coloured};

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain text.
    Plain,
    /// With ANSI escape sequences.
    Coloured,
}

/// All diagnostics, with an empty line between two.
pub(super) fn render(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    // Lines are cut below; the renderer must not cut them again.
    let renderer = renderer.term_width(4000);
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        let mut columns = Vec::new();
        let rendered = renderer.render(&[group(diagnostic, sources, &mut columns)]);
        let rendered = columns
            .iter()
            .fold(rendered, |rendered, column| column.set(&rendered));
        // The renderer escapes the characters that reorder a line.
        out.push_str(&safe_coloured(&rendered));
        out.push('\n');
    }
    out
}

/// The renderer counts columns in the text it gets; in a cut line these differ from the columns in
/// the file.
struct Column {
    counted: String,
    right: String,
}

impl Column {
    fn set(&self, rendered: &str) -> String {
        rendered.replacen(&self.counted, &self.right, 1)
    }
}

fn group<'a>(
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
    columns: &mut Vec<Column>,
) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.name());
    let mut elements: Vec<Element<'a>> = Vec::new();
    let places = diagnostic.labels.iter().enumerate();
    let mut places: Vec<Underlined<'a>> = places
        .map(|(index, label)| Underlined::new(label, index == 0, sources))
        .collect();
    while !places.is_empty() {
        let first = places.remove(0);
        // Nearby places are shown together.
        let near = places
            .iter()
            .take_while(|place| first.is_near(place))
            .count();
        let together: Vec<_> = std::iter::once(first).chain(places.drain(..near)).collect();
        elements.push(snippet(&together, columns).into());
    }
    for note in &diagnostic.notes {
        elements.push(match note {
            Note::Help(text) => Level::HELP.message(text.as_str()).into(),
            Note::Reason(text) => Level::NOTE.message(text.as_str()).into(),
        });
    }
    Group::with_title(title).elements(elements)
}

/// The longest line that is shown completely, in bytes.
const LINE: usize = 300;
/// The number of bytes shown on either side of the underlined text in a longer line.
const AROUND: usize = 60;
/// The largest distance of lines that are shown together.
const NEAR: usize = 8;

/// The underlined text: the part of a span on its first line.
struct Underlined<'a> {
    source: &'a Source,
    label: &'a str,
    primary: bool,
    line: usize,
    line_range: Range<usize>,
    underlined: Range<usize>,
}

impl<'a> Underlined<'a> {
    fn new(label: &'a Label, primary: bool, sources: &'a Sources) -> Self {
        let source = sources.file(label.span.file);
        let text = source.text();
        let start = floor_boundary(text, label.span.start as usize);
        let line = source.line_of(start);
        let line_range = source.line_range(line);
        let start = start.min(line_range.end);
        let end = (label.span.end as usize).clamp(start, line_range.end);
        let end = floor_boundary(text, end.min(start + LINE)).max(start);
        Self {
            source,
            label: &label.text,
            primary,
            line,
            line_range,
            underlined: start..end,
        }
    }

    fn is_long(&self) -> bool {
        self.line_range.len() > LINE
    }

    /// Whether one excerpt can show both.
    fn is_near(&self, other: &Self) -> bool {
        std::ptr::eq(self.source, other.source)
            && self.line.abs_diff(other.line) <= NEAR
            && !self.is_long()
            && !other.is_long()
    }

    fn annotation(&self, underlined: Range<usize>) -> Annotation<'a> {
        let kind = match self.primary {
            true => AnnotationKind::Primary,
            false => AnnotationKind::Context,
        };
        match self.label {
            "" => kind.span(underlined),
            label => kind.span(underlined).label(label),
        }
    }
}

/// An excerpt of a file with nearby places.
fn snippet<'a>(
    places: &[Underlined<'a>],
    columns: &mut Vec<Column>,
) -> Snippet<'a, Annotation<'a>> {
    let first = &places[0];
    let path = printable(&first.source.path().to_string_lossy());
    if first.is_long() {
        return cut_line(first, path, columns);
    }
    let start = places
        .iter()
        .min_by_key(|place| place.line)
        .unwrap_or(first);
    let end = places.iter().map(|place| place.line_range.end).max();
    let from = start.line_range.start;
    let annotations = places.iter().map(|place| {
        let underlined = &place.underlined;
        place.annotation(underlined.start - from..underlined.end - from)
    });
    Snippet::source(masked(&first.source.text()[from..end.unwrap_or(from)]))
        .path(path)
        .line_start(start.line + 1)
        .annotations(annotations)
}

/// The part of a long line around a place.
fn cut_line<'a>(
    place: &Underlined<'a>,
    path: String,
    columns: &mut Vec<Column>,
) -> Snippet<'a, Annotation<'a>> {
    let text = place.source.text();
    let underlined = &place.underlined;
    let from = floor_boundary(text, underlined.start.saturating_sub(AROUND));
    let from = from.max(place.line_range.start);
    let to = floor_boundary(text, (underlined.end + AROUND).min(place.line_range.end));
    let to = to.max(underlined.end);
    let before = match from > place.line_range.start {
        true => "... ",
        false => "",
    };
    let after = match to < place.line_range.end {
        true => " ...",
        false => "",
    };
    let shift = |offset: usize| offset - from + before.len();
    let line = place.line + 1;
    let counted = before.len() + text[from..underlined.start].chars().count() + 1;
    let right = place.source.position(underlined.start).column;
    columns.push(Column {
        counted: format!("{path}:{line}:{counted}"),
        right: format!("{path}:{line}:{right}"),
    });
    // A secret may begin before the excerpt.
    let earlier = floor_boundary(text, from.saturating_sub(LINE)).max(place.line_range.start);
    let shown = masked(&text[earlier..to]);
    Snippet::source(format!("{before}{}{after}", &shown[from - earlier..]))
        .path(path)
        .line_start(line)
        .annotation(place.annotation(shift(underlined.start)..shift(underlined.end)))
}
