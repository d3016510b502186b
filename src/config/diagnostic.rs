//! Mistakes and warnings, as values.

use std::collections::HashSet;

use super::code::{Code, Severity};
use super::source::{Sources, Span};

/// A mistake or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence without its full stop.
    pub message: String,
    /// Where. The first is the place at fault, the others belong to it. Empty when no file could
    /// be read.
    pub labels: Vec<Label>,
    /// What would be right, and why.
    pub notes: Vec<Note>,
}

/// A place and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// May be empty.
    pub text: String,
}

/// A line below the underlined text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// What would be right.
    Help(String),
    /// Why it is so.
    Reason(String),
}

impl Diagnostic {
    pub(super) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let label = Label {
            span,
            text: String::new(),
        };
        Self {
            labels: vec![label],
            ..Self::nowhere(code, message)
        }
    }

    /// One that no text can be underlined for.
    pub(super) fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Says something about the place at fault.
    pub(super) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Shows another place.
    pub(super) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        self.labels.push(Label { span, text });
        self
    }

    /// Says what would be right.
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note::Help(text.into()));
        self
    }

    /// Says why.
    pub(super) fn reason(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note::Reason(text.into()));
        self
    }

    /// A mistake becomes a warning where it is no more than that.
    pub(super) fn unless(mut self, harmless: bool) -> Self {
        if harmless {
            self.severity = Severity::Warning;
        }
        self
    }

    /// A mistake becomes a warning where the service says `as_is = true`, and otherwise says that
    /// it may.
    pub(super) fn unless_as_is(mut self, as_is: bool) -> Self {
        if as_is {
            self.severity = Severity::Warning;
            return self;
        }
        self.reason(
            "where a kernel holds it so and it is to stay, `as_is = true` in the service makes \
             this a warning",
        )
    }
}

/// All that is found in a set of files.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Diagnostic>,
    seen: HashSet<(Code, Severity, Span)>,
    /// Where the text is not what it should be. What else is said of such a line comes from
    /// misreading it.
    misread: Vec<Span>,
    /// How many mistakes were said, those included that were said before.
    pub(super) mistakes: usize,
    /// A file could not be read to its end: what is missing may stand in the part not seen.
    pub(super) incomplete: bool,
}

impl Findings {
    /// Takes in a diagnostic. One place has one of a code: a pool that two thousand services
    /// share, or a default, is not reported two thousand times.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.mistakes += usize::from(diagnostic.severity == Severity::Error);
        if let Some(label) = diagnostic.labels.first() {
            let key = (diagnostic.code, diagnostic.severity, label.span);
            if !self.seen.insert(key) {
                return;
            }
        }
        self.all.push(diagnostic);
    }

    /// Takes in a syntax error, or only where it is when it follows from another one.
    pub(super) fn push_syntax(&mut self, diagnostic: Diagnostic, follows: bool) {
        self.incomplete = true;
        self.misread
            .extend(diagnostic.labels.iter().map(|label| label.span));
        if !follows {
            self.push(diagnostic);
        }
    }

    /// Takes in one that says that something is missing, unless a file is known in part only.
    pub(super) fn push_missing(&mut self, diagnostic: Diagnostic) {
        if !self.incomplete {
            self.push(diagnostic);
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        let error = |found: &Diagnostic| found.severity == Severity::Error;
        self.all.iter().any(error)
    }

    /// In the order of the files and the text; of a line with a syntax error only the first such.
    pub(super) fn into_sorted(self, sources: &Sources) -> Vec<Diagnostic> {
        let line = |span: Span| {
            (
                span.file,
                sources.file(span.file).line_of(span.start as usize),
            )
        };
        let misread: HashSet<_> = self.misread.into_iter().map(line).collect();
        let mut all = self.all;
        let mut said = HashSet::new();
        all.retain(|diagnostic| {
            let Some(line) = diagnostic.labels.first().map(|label| line(label.span)) else {
                return true;
            };
            let is_syntax = diagnostic.code == Code::Syntax;
            !misread.contains(&line) || is_syntax && said.insert(line)
        });
        // Stable: several about one place stay in the order in which they were found.
        all.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span));
        all
    }
}
