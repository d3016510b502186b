//! Files that record what a reading uses.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::super::files::Files;

/// Files, some with given texts.
pub(super) struct Noted<'f> {
    files: &'f dyn Files,
    /// Given texts that were not requested yet.
    given: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
    /// Files that checks need and that exist.
    needed: RefCell<BTreeSet<PathBuf>>,
}

impl<'f> Noted<'f> {
    /// All files as they are.
    pub(super) fn whole(files: &'f dyn Files) -> Self {
        Self::part(files, BTreeMap::new())
    }

    /// With these texts in place of the current ones.
    pub(super) fn part(files: &'f dyn Files, given: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        Self {
            files,
            given: RefCell::new(given),
            needed: RefCell::default(),
        }
    }

    pub(super) fn into_needed(self) -> BTreeSet<PathBuf> {
        self.needed.into_inner()
    }
}

impl Files for Noted<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.given.borrow_mut().remove(path) {
            Some(text) => Ok(text),
            None => self.files.read(path),
        }
    }

    fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        self.files.matching(directory, pattern)
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.files.is_directory(path)
    }

    fn lacks(&self, path: &Path) -> bool {
        let lacks = self.files.lacks(path);
        if !lacks {
            self.needed.borrow_mut().insert(path.to_owned());
        }
        lacks
    }

    fn identity(&self, path: &Path) -> PathBuf {
        self.files.identity(path)
    }
}
