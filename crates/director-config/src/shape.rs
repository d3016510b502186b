//! The shape of a reading, for comparison with the next one.
//!
//! A full disk, `rsync --delete`, `git checkout` and a late mount leave files that can be read but
//! contain less than they should. One reading alone cannot tell that from what the author wants;
//! two can.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::words::path as shown;

/// The files of a reading, and their state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// The files that were read.
    pub files: BTreeSet<PathBuf>,
    /// Those with only blanks and comments.
    pub empty: BTreeSet<PathBuf>,
    /// The number of files that each `include` matched, by its file and pattern.
    pub includes: BTreeMap<(PathBuf, String), usize>,
    /// Files of the previous reading that are directories now.
    pub directories: BTreeSet<PathBuf>,
    /// Directories searched for included files that do not exist.
    pub away: BTreeSet<PathBuf>,
    /// Whether the root file has a version.
    pub has_version: bool,
    /// The texts of the files, where a [`Reader`](crate::Reader) has read them; it shares them.
    pub texts: BTreeMap<PathBuf, Arc<Vec<u8>>>,
}

impl Shape {
    /// What `before` had and this lacks, although that was probably not intended. Deleting one of
    /// several included files is an ordinary edit.
    #[must_use]
    pub fn lacks(&self, before: &Self) -> Vec<String> {
        let mut lacks = Vec::new();
        for (include @ (from, pattern), count) in &before.includes {
            if *count > 0 && self.includes.get(include) == Some(&0) {
                let files = crate::words::count(*count, "file", "files");
                lacks.push(format!(
                    "`{pattern}` in {} matched {files}, but now matches none",
                    shown(from)
                ));
            }
        }
        for path in self.empty.difference(&before.empty) {
            lacks.push(format!("{} is empty", shown(path)));
        }
        for path in self.directories.intersection(&before.files) {
            lacks.push(format!(
                "{} was a file, but is now a directory",
                shown(path)
            ));
        }
        if before.has_version && !self.has_version {
            lacks.push("the root file no longer has a version".to_owned());
        }
        lacks
    }

    /// What looks incomplete when there is no earlier reading to compare with.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let empty = self
            .empty
            .iter()
            .map(|path| format!("{} is empty", shown(path)));
        let away = self
            .away
            .iter()
            .map(|path| format!("no directory {}", shown(path)));
        empty.chain(away).next()
    }

    /// Files that are shorter than in `before` and equal up to their end: a full disk leaves these,
    /// or a program that is still writing, unless it shortens files.
    #[must_use]
    pub fn cut_off(&self, before: &Self) -> Vec<String> {
        let both = self.texts.iter().filter_map(|(path, text)| {
            let was = before.texts.get(path)?;
            let is_cut = text.len() < was.len() && was.starts_with(text.as_slice());
            is_cut.then_some((path, text.len(), was.len()))
        });
        both.map(|(path, now, was)| {
            let path = shown(path);
            format!("{path} is unchanged, but ends after {now} of its {was} bytes")
        })
        .collect()
    }
}

/// Whether a TOML text contains only blanks and comments.
pub(super) fn is_blank(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.all(|line| matches!(line.trim_ascii_start().first(), None | Some(b'#')))
}

/// Adds the files of `earlier` that have become directories.
pub(super) fn note_directories(
    shape: &mut Shape,
    earlier: &Shape,
    is_directory: impl Fn(&Path) -> bool,
) {
    let earlier = earlier.files.union(&earlier.directories);
    let gone = earlier.filter(|path| !shape.files.contains(*path));
    shape.directories = gone.filter(|path| is_directory(path)).cloned().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(files: &[&str], matched: usize) -> Shape {
        Shape {
            files: files.iter().map(PathBuf::from).collect(),
            includes: BTreeMap::from([(("a.toml".into(), "d/*".to_owned()), matched)]),
            has_version: true,
            ..Shape::default()
        }
    }

    #[test]
    fn a_file_that_is_deleted_is_an_edit_and_all_of_them_are_a_mistake() {
        let both = shape(&["a.toml", "d/b", "d/c"], 2);
        let one = shape(&["a.toml", "d/b"], 1);
        let none = shape(&["a.toml"], 0);
        assert_eq!(one.lacks(&both), Vec::<String>::new());
        let said = none.lacks(&one);
        assert_eq!(
            said,
            ["`d/*` in a.toml matched 1 file, but now matches none"]
        );
        assert_eq!(none.lacks(&none), Vec::<String>::new());
        assert_eq!(both.lacks(&none), Vec::<String>::new());
    }

    #[test]
    fn a_line_break_in_a_file_name_begins_no_line() {
        let before = shape(&["a.toml", "d/b\nall is well"], 1);
        let mut now = before.clone();
        now.empty.insert("d/b\nall is well".into());
        let said = now.lacks(&before);
        assert_eq!(said, ["d/b\u{fffd}all is well is empty"]);
    }

    #[test]
    fn a_file_is_cut_off_when_it_is_the_beginning_of_what_it_was() {
        let with = |text: &str| Shape {
            texts: BTreeMap::from([("a.toml".into(), Arc::new(text.as_bytes().to_vec()))]),
            ..Shape::default()
        };
        let before = with("one\ntwo\n");
        let said = with("one\n").cut_off(&before);
        assert_eq!(
            said,
            ["a.toml is unchanged, but ends after 4 of its 8 bytes"]
        );
        for text in ["one\ntwo\n", "one\ntwo\nthree\n", "two\n", "one\nt2\n"] {
            assert_eq!(with(text).cut_off(&before), Vec::<String>::new());
        }
        assert_eq!(
            with("one\n").cut_off(&Shape::default()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn only_what_became_empty_or_a_directory_is_told() {
        let before = shape(&["a.toml", "d/b"], 1);
        let mut now = before.clone();
        now.empty.insert("d/b".into());
        assert_eq!(now.lacks(&before), ["d/b is empty"]);
        assert_eq!(now.lacks(&now), Vec::<String>::new(), "as it was");
        let mut now = shape(&["a.toml"], 1);
        note_directories(&mut now, &before, |path| path == Path::new("d/b"));
        assert_eq!(
            now.lacks(&before),
            ["d/b was a file, but is now a directory"]
        );
        now.has_version = false;
        assert_eq!(now.lacks(&before).len(), 2);
    }

    #[test]
    fn blanks_and_comments_are_no_text() {
        for text in ["", "\n \t\r\n", "# a\n  # b", "\r\n#"] {
            assert!(is_blank(text.as_bytes()), "{text:?}");
        }
        assert!(!is_blank(b"# a\n[service.a]"));
    }
}
