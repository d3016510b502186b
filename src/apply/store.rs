//! Files that a power cut leaves whole: written beside, synced, renamed into place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How much is written at once.
const BUFFER: usize = 32 << 10;

/// A directory of JSON files, readable by root alone.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
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
    /// The file holds something else than it should.
    #[error("{path} is damaged ({found}); remove it to start without what it remembered")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        found: serde_json::Error,
    },
}

impl Store {
    /// The store in a directory. It is made when something is written first: whoever only looks
    /// leaves nothing behind.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be made.
    pub fn make(&self) -> Result<(), StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|source| failed("make", &self.directory, source))
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

    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read or understood.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|found| StoreError::Damaged { path, found }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path, source)),
        }
    }

    /// Replaces a file. When this returns, the new contents survive a power cut; before that, the
    /// old ones do.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be written; the old file is still there then.
    pub fn write<T: Serialize>(&self, name: &str, contents: &T) -> Result<(), StoreError> {
        self.make()?;
        let (path, beside) = (self.path(name), self.path(&format!("{name}.new")));
        let write = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = BufWriter::with_capacity(BUFFER, options.open(&beside)?);
            serde_json::to_writer(&mut file, contents).map_err(io::Error::from)?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            self.sync()
        };
        write().map_err(|source| failed("write", &path, source))
    }

    /// Removes a file, if it is there, for good.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Ok(()) => self
                .sync()
                .map_err(|source| failed("sync", &self.directory, source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed("remove", &path, source)),
        }
    }

    /// A rename or removal is on disk when the directory is.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
