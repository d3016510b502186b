//! Warnings that a file causes on purpose: `allow`.
//!
//! ```text
//!   allow of the root file          all warnings
//!   allow of an included file       those of its text, and of its services
//!   allow of a service              those found while it is decoded and verified
//! ```
//!
//! The innermost one that names a code silences the warning. What silences nothing is reported, so
//! that it does not hide a later mistake.

use std::collections::HashMap;
use std::ops::Range;

use super::code::Code;
use super::source::{FileId, Span};

/// The entries of one `allow`.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed(Range<usize>);

/// All entries of all files.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    entries: Vec<Entry>,
    root: Allowed,
    files: HashMap<FileId, Allowed>,
    /// The service that is decoded or verified now, and its file.
    service: Option<(Allowed, FileId)>,
}

#[derive(Debug)]
struct Entry {
    code: Code,
    span: Span,
    is_used: bool,
}

impl Allowances {
    /// Adds the codes of one `allow`, each with its place.
    pub(super) fn add(&mut self, codes: impl IntoIterator<Item = (Code, Span)>) -> Allowed {
        let start = self.entries.len();
        self.entries
            .extend(codes.into_iter().map(|(code, span)| Entry {
                code,
                span,
                is_used: false,
            }));
        Allowed(start..self.entries.len())
    }

    /// Makes entries those of a file.
    pub(super) fn of_file(&mut self, file: FileId, is_root: bool, allowed: Allowed) {
        if is_root {
            self.root = allowed;
        } else {
            self.files.insert(file, allowed);
        }
    }

    /// A service begins.
    pub(super) fn enter(&mut self, allowed: &Allowed, file: FileId) {
        self.service = Some((allowed.clone(), file));
    }

    /// The service ends.
    pub(super) fn leave(&mut self) {
        self.service = None;
    }

    /// Whether a warning at this place is allowed. That entry counts as used.
    pub(super) fn allow(&mut self, code: Code, at: Option<Span>) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let (own, file) = self.service.clone().unzip();
        let in_file = |file: FileId| self.files.get(&file).cloned();
        let scopes = [
            own,
            file.and_then(in_file),
            at.and_then(|at| in_file(at.file)),
            Some(self.root.clone()),
        ];
        for Allowed(range) in scopes.into_iter().flatten() {
            let found = self.entries[range].iter_mut();
            if let Some(entry) = found.into_iter().find(|entry| entry.code == code) {
                entry.is_used = true;
                return true;
            }
        }
        false
    }

    /// The entries that silence nothing.
    pub(super) fn unused(&self) -> Vec<(Code, Span)> {
        let unused = self.entries.iter();
        let unused = unused.filter(|entry| !entry.is_used && entry.code != Code::UnusedAllow);
        unused.map(|entry| (entry.code, entry.span)).collect()
    }
}
