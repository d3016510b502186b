//! Mistakes and warnings as values.

use std::collections::HashSet;

use super::allowance::{Allowances, Allowed};
use super::code::{Code, Severity};
use super::source::{FileId, Sources, Span};

/// A mistake or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of diagnostic.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// What is wrong, a sentence without a full stop.
    pub message: String,
    /// The places. The first is the place at fault; the others are related. Empty if no file could
    /// be read.
    pub labels: Vec<Label>,
    /// What to write instead, and why.
    pub notes: Vec<Note>,
}

/// A place and its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place in the text.
    pub span: Span,
    /// The comment; may be empty.
    pub text: String,
}

/// A line below the underlined text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// What to write instead.
    Help(String),
    /// The reason.
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

    /// A diagnostic without a place in a text.
    pub(super) fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a comment at the place at fault.
    pub(super) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds another place.
    pub(super) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        self.labels.push(Label { span, text });
        self
    }

    /// Adds what to write instead.
    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note::Help(text.into()));
        self
    }

    /// Adds the reason.
    pub(super) fn reason(mut self, text: impl Into<String>) -> Self {
        self.notes.push(Note::Reason(text.into()));
        self
    }

    /// Turns a mistake into a warning where it is harmless.
    pub(super) fn unless(mut self, harmless: bool) -> Self {
        if harmless {
            self.severity = Severity::Warning;
        }
        self
    }

    /// Turns a mistake into a warning if the service says `as_is = true`; otherwise mentions that
    /// option.
    pub(super) fn unless_as_is(mut self, as_is: bool) -> Self {
        if as_is {
            self.severity = Severity::Warning;
            return self;
        }
        self.reason(
            "to keep this state of a kernel, set `as_is = true` in the service, which makes this a \
             warning",
        )
    }
}

/// The most mistakes, and the most warnings, shown: more than a person reads at a time.
pub(super) const SHOWN: usize = 100;

/// The most that are told apart for counting. A file of megabytes that is not a service file at all
/// has millions.
const COUNTED: usize = 100_000;

/// Mistakes, or warnings, that are not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotShown {
    /// The number of them.
    pub number: usize,
    /// Whether there are more.
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
            (0, true) => format!("the file was not read beyond its first {SHOWN} mistakes"),
            (number, true) => format!("more than {number} other {many} not shown"),
            (1, false) => format!("1 other {one} not shown"),
            (number, false) => format!("{number} other {many} not shown"),
        };
        let mut found = Diagnostic::nowhere(Code::NotShown, message);
        found.severity = severity;
        Some(found)
    }
}

/// Everything found in a set of files.
#[derive(Debug, Default)]
pub(super) struct Findings {
    all: Vec<Diagnostic>,
    seen: HashSet<(Code, Severity, Span)>,
    /// The number of mistakes in `all`.
    errors: usize,
    /// Mistakes besides those in `all`, and warnings.
    more_errors: NotShown,
    more_warnings: NotShown,
    /// Where the text has a syntax error. Other diagnostics for such a line come from misreading
    /// it.
    misread: Vec<Span>,
    /// Warnings that the files allow.
    allowances: Allowances,
    /// The number of mistakes reported, including repeated ones.
    pub(super) mistakes: usize,
    /// Whether a file could not be read to its end: something missing may be in the unread part.
    pub(super) incomplete: bool,
}

impl Findings {
    /// Adds a diagnostic. Each place has one per code: a mistake in a pool that two thousand
    /// services share, or in a default, is not reported two thousand times.
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        let is_error = diagnostic.severity == Severity::Error;
        if !is_error {
            let at = diagnostic.labels.first().map(|label| label.span);
            if self.allows(diagnostic.code, at) {
                return;
            }
        }
        self.mistakes += usize::from(is_error);
        let kept = match is_error {
            true => self.errors,
            false => self.all.len() - self.errors,
        };
        // Beyond the counting limit they are not told apart either.
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

    /// Whether a warning at this place is allowed, which then counts as silenced.
    pub(super) fn allows(&mut self, code: Code, at: Option<Span>) -> bool {
        self.allowances.allow(code, at)
    }

    /// The `allow` of a file. Read before anything else in the file.
    pub(super) fn allow_in_file(
        &mut self,
        file: FileId,
        is_root: bool,
        codes: impl IntoIterator<Item = (Code, Span)>,
    ) {
        let allowed = self.allowances.add(codes);
        self.allowances.of_file(file, is_root, allowed);
    }

    /// The `allow` of a service.
    pub(super) fn allow_in_service(
        &mut self,
        codes: impl IntoIterator<Item = (Code, Span)>,
    ) -> Allowed {
        self.allowances.add(codes)
    }

    /// Does something about a service, whose `allow` holds during that time.
    pub(super) fn within<T>(
        &mut self,
        allowed: &Allowed,
        file: FileId,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.allowances.enter(allowed, file);
        let done = work(self);
        self.allowances.leave();
        done
    }

    /// Reports what is allowed and does not occur. A mistake may be what keeps it from occurring.
    pub(super) fn report_unused_allow(&mut self) {
        if self.has_errors() || self.incomplete {
            return;
        }
        for (code, span) in self.allowances.unused() {
            let message = format!("the allowed warning `{code}` does not occur");
            self.push(
                Diagnostic::new(Code::UnusedAllow, span, message)
                    .label("silences nothing")
                    .help("remove it, so that it does not silence a later mistake"),
            );
        }
    }

    /// Whether one more mistake would only be counted, so that its message is not needed.
    pub(super) const fn is_full(&self) -> bool {
        self.errors >= SHOWN
    }

    /// Records that the unread part may contain more mistakes.
    pub(super) const fn stopped(&mut self) {
        self.more_errors.or_more = true;
    }

    /// The diagnostics that are not shown.
    pub(super) const fn not_shown(&self) -> (NotShown, NotShown) {
        (self.more_errors, self.more_warnings)
    }

    /// Adds a syntax error; only its place if it follows from another one.
    pub(super) fn push_syntax(&mut self, diagnostic: Diagnostic, follows: bool) {
        self.incomplete = true;
        self.misread
            .extend(diagnostic.labels.iter().map(|label| label.span));
        if !follows {
            self.push(diagnostic);
        }
    }

    /// Adds a diagnostic about something missing, unless a file is only partly known.
    pub(super) fn push_missing(&mut self, diagnostic: Diagnostic) {
        if !self.incomplete {
            self.push(diagnostic);
        }
    }

    /// Those found, in that order.
    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.all
    }

    pub(super) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// In order of files and text; of a line with syntax errors, only the first.
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
