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

/// So many mistakes are shown, and so many warnings: more than a person reads at a time.
pub(super) const SHOWN: usize = 100;

/// So many are told apart, to be counted. A file of megabytes that is none at all has millions.
const COUNTED: usize = 100_000;

/// Mistakes, or warnings, that are not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotShown {
    /// How many there are, ...
    pub number: usize,
    /// ... or more.
    pub or_more: bool,
}

impl NotShown {
    const fn add_one(&mut self) {
        if self.number < COUNTED {
            self.number += 1;
        } else {
            self.or_more = true;
        }
    }

    fn diagnostic(self, severity: Severity) -> Option<Diagnostic> {
        let (one, many) = match severity {
            Severity::Error => ("mistake is", "mistakes are"),
            Severity::Warning => ("warning is", "warnings are"),
        };
        let message = match (self.number, self.or_more) {
            (0, false) => return None,
            (0, true) => format!("the file is not read behind its first {SHOWN} mistakes"),
            (number, true) => format!("more than {number} other {many} not shown"),
            (1, false) => format!("1 other {one} not shown"),
            (number, false) => format!("{number} other {many} not shown"),
        };
        let mut found = Diagnostic::nowhere(Code::NotShown, message);
        found.severity = severity;
        Some(found)
    }
}

/// All that is found in a set of files.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Diagnostic>,
    seen: HashSet<(Code, Severity, Span)>,
    /// How many of `all` are mistakes.
    errors: usize,
    /// Mistakes beyond those of `all`, and warnings.
    more_errors: NotShown,
    more_warnings: NotShown,
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
        let is_error = diagnostic.severity == Severity::Error;
        self.mistakes += usize::from(is_error);
        let kept = match is_error {
            true => self.errors,
            false => self.all.len() - self.errors,
        };
        // Beyond what is counted they are not told apart either.
        if let Some(label) = diagnostic.labels.first()
            && self.seen.len() < 4 * COUNTED
        {
            let key = (diagnostic.code, diagnostic.severity, label.span);
            if !self.seen.insert(key) {
                return;
            }
        }
        if kept < SHOWN {
            self.errors += usize::from(is_error);
            self.all.push(diagnostic);
        } else if is_error {
            self.more_errors.add_one();
        } else {
            self.more_warnings.add_one();
        }
    }

    /// Whether one more mistake would only be counted: what it says need not be found out.
    pub(super) const fn is_full(&self) -> bool {
        self.errors >= SHOWN
    }

    /// There may be more mistakes in what was not read.
    pub(super) const fn stopped(&mut self) {
        self.more_errors.or_more = true;
    }

    /// What there is beside what is shown.
    pub(super) const fn not_shown(&self) -> (NotShown, NotShown) {
        (self.more_errors, self.more_warnings)
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

    pub(super) const fn has_errors(&self) -> bool {
        self.errors > 0
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
        all.extend(self.more_errors.diagnostic(Severity::Error));
        all.extend(self.more_warnings.diagnostic(Severity::Warning));
        all
    }
}
