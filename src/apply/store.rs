//! Files that survive a power cut: written to a new file, synced, renamed into place.
//!
//! - **Only regular files are read**, without blocking and up to a limit; links are not followed.
//! - **A damaged file does not stop a start**: the holder of the lock moves it to `NAME.damaged`
//!   and continues without its contents.
//! - **A newer director's file is left alone**: the next write would lose what this program does
//!   not know.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::directory;
use crate::regular;
/// The longest file, in bytes: ten times the journal of 40,000 servers.
const LONGEST: u64 = 256 << 20;
/// The version that this program reads and writes.
const VERSION: u32 = 1;

/// A directory of JSON files, readable by root only. Clones share their warnings.
#[derive(Debug, Clone)]
pub struct Store {
    /// The parent directory, if it belongs to the director too.
    base: Option<PathBuf>,
    directory: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether this process holds the lock.
    held: AtomicBool,
    warnings: Mutex<Vec<String>>,
}

/// File contents with a version.
pub trait Versioned {
    /// The version read.
    fn version(&self) -> u32;
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system returned an error.
    #[error("cannot {action} {path}")]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file's path.
        path: PathBuf,
        /// The file system's error.
        source: io::Error,
    },
    /// The directory is not fit to keep state in.
    #[error("cannot keep state in `{path}`: {why}")]
    Unfit {
        /// The directory's path.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A newer director wrote the file.
    #[error(
        "`{path}` has version {version}, but this director only supports version {VERSION}: a \
         newer director wrote it; use that one, or remove the file to start without its contents"
    )]
    Newer {
        /// The file's path.
        path: PathBuf,
        /// The file's version.
        version: u64,
    },
}

impl Store {
    /// A store in a directory. The first write creates it, so reading leaves nothing behind.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            base: None,
            directory: directory.into(),
            shared: Arc::default(),
        }
    }

    /// A store in a directory of stores, which must also be the director's own.
    #[must_use]
    pub fn within(base: &Path, name: &str) -> Self {
        Self {
            base: Some(base.to_owned()),
            ..Self::new(base.join(name))
        }
    }

    /// Creates the directory if missing, and checks that no other user can write to it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be created or is not fit.
    pub fn make(&self) -> Result<(), StoreError> {
        if let Some(base) = &self.base {
            directory::make(base)?;
            directory::check(base, directory::Links::OfTrusted)?;
        }
        directory::make(&self.directory)?;
        directory::check(&self.directory, directory::Links::None)
    }

    /// The path of the directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file in the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Records that this process holds the lock, so that it may move damaged files away.
    pub(super) fn hold(&self) {
        self.shared.held.store(true, Ordering::Relaxed);
    }

    /// Stores a warning for the user, once.
    pub(super) fn warn(&self, text: String) {
        let mut warnings = self.warnings();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// The warnings since the last call.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings())
    }

    fn warnings(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        let warnings = self.shared.warnings.lock();
        warnings.unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a file; `None` if it is missing or damaged, which is a warning.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read, or a newer director wrote it.
    pub fn read<T: DeserializeOwned + Versioned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        let path = self.path(name);
        let bytes = match regular::read_no_link(&path, LONGEST) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("read", &path, source)),
        };
        let damage = match serde_json::from_slice::<T>(&bytes) {
            Ok(contents) if contents.version() == VERSION => return Ok(Some(contents)),
            Ok(contents) => Damage::Version(contents.version().into()),
            Err(error) => match version(&bytes) {
                Some(version) if version != u64::from(VERSION) => Damage::Version(version),
                _ if bytes.is_empty() => Damage::Text("it is empty".to_owned()),
                _ => Damage::Text(error.to_string()),
            },
        };
        match damage {
            Damage::Version(version) if version > u64::from(VERSION) => {
                Err(StoreError::Newer { path, version })
            }
            Damage::Version(version) => {
                self.set_aside(&path, &format!("unknown version {version}"));
                Ok(None)
            }
            Damage::Text(found) => {
                self.set_aside(&path, &found);
                Ok(None)
            }
        }
    }

    /// Reports a damaged file and moves it away; it stays as evidence.
    fn set_aside(&self, path: &Path, found: &str) {
        let shown = path.display();
        let without = "continuing without its contents";
        if !self.shared.held.load(Ordering::Relaxed) {
            return self.warn(format!("{shown} is damaged ({found}): {without}"));
        }
        let mut aside = path.as_os_str().to_owned();
        aside.push(".damaged");
        self.warn(match fs::rename(path, &aside) {
            Ok(()) => format!(
                "{shown} is damaged ({found}): kept as {}, {without}",
                Path::new(&aside).display()
            ),
            Err(error) => {
                format!(
                    "{shown} is damaged ({found}) and cannot be moved away ({error}): \
                         {without}"
                )
            }
        });
    }

    /// Replaces a file. Once this returns, the new contents survive a power cut; before, the old
    /// ones do.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written; the old file is then still there.
    pub fn write<T: Serialize>(&self, name: &str, contents: &T) -> Result<(), StoreError> {
        self.make()?;
        let path = self.path(name);
        regular::replace(&path, 0o600, |file| {
            serde_json::to_writer(file, contents).map_err(io::Error::from)
        })
        .map_err(|source| failed("write", &path, source))
    }

    /// Removes a file if it exists.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => {
                // A file that reappears after a power cut belongs to an earlier boot, and is void.
                let _ = self.sync();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed("remove", &path, source)),
        }
    }

    /// Syncs the directory, which puts a rename on disk.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

enum Damage {
    Version(u64),
    Text(String),
}

/// The version of a file that cannot be parsed otherwise.
fn version(bytes: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Head {
        version: u64,
    }
    serde_json::from_slice::<Head>(bytes)
        .ok()
        .map(|head| head.version)
}

pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
