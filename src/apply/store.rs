//! Files that a power cut leaves whole: written beside, synced, renamed into place.
//!
//! - **Only regular files are read**, without blocking and up to a limit; no link is followed.
//! - **A damaged file does not stop a start**: whoever holds the lock sets it aside as
//!   `NAME.damaged` and goes on without what it remembered.
//! - **A file of a newer director is left alone**: what it says beyond this program's knowledge
//!   would be lost with the next write.

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
/// The version that this program writes and reads.
const VERSION: u32 = 1;

/// A directory of JSON files, readable by root alone. Clones share their warnings.
#[derive(Debug, Clone)]
pub struct Store {
    /// What the directory lies in, where that belongs to the director too.
    base: Option<PathBuf>,
    directory: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// This process holds the lock.
    held: AtomicBool,
    warnings: Mutex<Vec<String>>,
}

/// Contents of a file that say which version of it they are.
pub trait Versioned {
    /// The version that was read.
    fn version(&self) -> u32;
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The directory is not one to keep state in.
    #[error("cannot keep state in {path}: {why}")]
    Unfit {
        /// Which directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A newer director wrote it.
    #[error(
        "{path} has version {version}, and this director knows version {VERSION} only: a newer \
         director wrote it; use that one, or remove the file to start without what it remembers"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
}

impl Store {
    /// The store in a directory. It is made when something is written first: whoever only looks
    /// leaves nothing behind.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            base: None,
            directory: directory.into(),
            shared: Arc::default(),
        }
    }

    /// The same in a directory for many stores, which has to be the director's own as well.
    #[must_use]
    pub fn within(base: &Path, name: &str) -> Self {
        Self {
            base: Some(base.to_owned()),
            ..Self::new(base.join(name))
        }
    }

    /// Makes the directory if it is not there, and checks that nobody else can write to it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be made or is not fit.
    pub fn make(&self) -> Result<(), StoreError> {
        if let Some(base) = &self.base {
            directory::make(base)?;
            directory::check(base, directory::Links::OfTrusted)?;
        }
        directory::make(&self.directory)?;
        directory::check(&self.directory, directory::Links::None)
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// This process holds the lock from now on: what is damaged may be set aside.
    pub(super) fn hold(&self) {
        self.shared.held.store(true, Ordering::Relaxed);
    }

    /// Keeps a warning for those who run this program, once.
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

    /// Reads a file; `None` if there is none, or if it is damaged, which is a warning.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, or is of a newer director.
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
                self.set_aside(&path, &format!("there is no version {version}"));
                Ok(None)
            }
            Damage::Text(found) => {
                self.set_aside(&path, &found);
                Ok(None)
            }
        }
    }

    /// Says that a file is damaged, and moves it out of the way: as evidence it stays.
    fn set_aside(&self, path: &Path, found: &str) {
        let shown = path.display();
        let without = "going on without what it remembered";
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
                format!("{shown} is damaged ({found}) and cannot be set aside ({error}): {without}")
            }
        });
    }

    /// Replaces a file. When this returns, the new contents survive a power cut; before that, the
    /// old ones do.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; the old file is still there then.
    pub fn write<T: Serialize>(&self, name: &str, contents: &T) -> Result<(), StoreError> {
        self.make()?;
        let path = self.path(name);
        regular::replace(&path, 0o600, |file| {
            serde_json::to_writer(file, contents).map_err(io::Error::from)
        })
        .map_err(|source| failed("write", &path, source))
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => {
                // A file that a power cut brings back is of an earlier boot then, and void.
                let _ = self.sync();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed("remove", &path, source)),
        }
    }

    /// A rename is on disk when the directory is.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

enum Damage {
    Version(u64),
    Text(String),
}

/// The version of a file that is otherwise not understood.
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
