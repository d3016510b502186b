//! Diagnostics for people, as rustc prints its own.
//!
//! The renderer is given only the lines that it shows, and of a long line (a JSON file may be one
//! line of megabytes) only the part around what is underlined: otherwise two thousand mistakes in
//! a long file would take their product.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::code::Severity;
use super::diagnostic::{Diagnostic, Label, Note};
use super::source::{Source, Sources, floor_boundary};

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text and nothing else.
    Plain,
    /// With ANSI escape sequences.
    Coloured,
}

/// All diagnostics, an empty line between two.
pub(super) fn render(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    // The window is what fits; the renderer is not to cut it again.
    let renderer = renderer.term_width(4000);
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&renderer.render(&[group(diagnostic, sources)]));
        out.push('\n');
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.name());
    let mut elements: Vec<Element<'a>> = Vec::new();
    for (index, label) in diagnostic.labels.iter().enumerate() {
        let kind = match index {
            0 => AnnotationKind::Primary,
            _ => AnnotationKind::Context,
        };
        elements.extend(excerpt(label, kind, sources));
    }
    for note in &diagnostic.notes {
        elements.push(match note {
            Note::Help(text) => Level::HELP.message(text.as_str()).into(),
            Note::Reason(text) => Level::NOTE.message(text.as_str()).into(),
        });
    }
    Group::with_title(title).elements(elements)
}

/// Where it is, and the line with the text underlined.
fn excerpt<'a>(label: &'a Label, kind: AnnotationKind, sources: &'a Sources) -> [Element<'a>; 2] {
    let source = sources.file(label.span.file);
    let (start, _) = sources.positions(label.span);
    let shown = window(source, label.span.start as usize..label.span.end as usize);
    let text = &source.text()[shown.text];
    let annotation = kind.span(shown.underlined);
    let annotation = match label.text.as_str() {
        "" => annotation,
        text => annotation.label(text),
    };
    let origin = Origin::path(source.path().display().to_string())
        .line(start.line)
        .char_column(start.column);
    let snippet = Snippet::source(text)
        .line_start(start.line)
        .fold(false)
        .annotation(annotation);
    [origin.into(), snippet.into()]
}

/// What is shown of a file, and what of that is underlined.
struct Window {
    text: Range<usize>,
    underlined: Range<usize>,
}

/// The longest part of a line that is shown on either side of what is underlined, in bytes.
const AROUND: usize = 100;
/// The longest part of a line that is underlined.
const UNDERLINED: usize = 200;

/// The first line of a span, or what of it is near the span.
fn window(source: &Source, span: Range<usize>) -> Window {
    let text = source.text();
    let start = floor_boundary(text, span.start);
    let line = source.line_range(source.line_of(start));
    let start = start.min(line.end);
    let end = floor_boundary(
        text,
        span.end.clamp(start, line.end).min(start + UNDERLINED),
    );
    let from = match start - line.start {
        before if before > AROUND + UNDERLINED => floor_boundary(text, start - AROUND),
        _ => line.start,
    };
    let to = match line.end - end {
        after if after > AROUND + UNDERLINED => floor_boundary(text, end + AROUND),
        _ => line.end,
    };
    Window {
        text: from..to,
        underlined: start - from..end.max(start) - from,
    }
}
