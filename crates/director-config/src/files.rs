//! The source of files: the disk, or memory.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::source::MAX_FILE;

/// A source of service files.
pub trait Files {
    /// Reads a file, at most one byte more than [`MAX_FILE`].
    ///
    /// # Errors
    /// If it does not exist or cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Like [`read`](Self::read), into a buffer whose contents it replaces.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); the buffer's contents are then undefined.
    fn read_into(&self, path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
        *buffer = self.read(path)?;
        Ok(())
    }

    /// The files that match a pattern, ordered by name. Hidden files match only a pattern that
    /// names the dot.
    ///
    /// # Errors
    /// What is wrong with the pattern, or with a directory that it searches.
    fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String>;

    /// Whether the file certainly does not exist.
    fn lacks(&self, path: &Path) -> bool;

    /// Whether the path is a directory.
    fn is_directory(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// An identity that is equal for two paths of one file.
    fn identity(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

fn full_pattern(directory: &Path, pattern: &str) -> String {
    if pattern.starts_with('/') || directory.as_os_str().is_empty() {
        return pattern.to_owned();
    }
    // The directory is a name, not a pattern, whatever characters it contains.
    let directory = glob::Pattern::escape(&directory.to_string_lossy());
    format!("{}/{pattern}", directory.trim_end_matches('/'))
}

/// The machine's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(path, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&self, path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
        let limit = u64::try_from(MAX_FILE)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let file = crate::regular::open(path)?;
        // Bytes appended in between are read as well.
        let length = file.metadata()?.len().min(limit);
        buffer.clear();
        buffer.reserve_exact(usize::try_from(length).unwrap_or(MAX_FILE) + 1);
        file.take(limit).read_to_end(buffer)?;
        Ok(())
    }

    fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let paths = glob::glob_with(&full_pattern(directory, pattern), OPTIONS)
            .map_err(|error| error.msg.to_owned())?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(|error| error.to_string())?;
            if !path.is_dir() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn lacks(&self, path: &Path) -> bool {
        matches!(path.try_exists(), Ok(false))
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}

/// Files in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl<P: Into<PathBuf>, B: Into<Vec<u8>>> FromIterator<(P, B)> for Memory {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        let owned = |(path, bytes): (P, B)| (path.into(), bytes.into());
        Self {
            files: files.into_iter().map(owned).collect(),
        }
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.files.get(path);
        found.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn lacks(&self, path: &Path) -> bool {
        !self.files.contains_key(path)
    }

    fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let pattern = glob::Pattern::new(&full_pattern(directory, pattern))
            .map_err(|error| error.msg.to_owned())?;
        let matches = |path: &&PathBuf| pattern.matches_path_with(path, OPTIONS);
        Ok(self.files.keys().filter(matches).cloned().collect())
    }
}
