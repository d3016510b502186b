//! One director at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::store::{Store, StoreError};

const FILE: &str = "lock";
const PAUSE: Duration = Duration::from_millis(50);

/// The right to change the tables. The kernel gives it back when the program ends, however.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

/// Why the lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program holds it.
    #[error(
        "another director is at work{}: wait until it is done, or end it",
        .holder.as_ref().map_or(String::new(), |holder| format!(" (process {holder})"))
    )]
    Held {
        /// The process that holds it, as it wrote down itself.
        holder: Option<u32>,
    },
    /// The directory cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock file cannot be opened or written.
    #[error("cannot lock {path}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, waiting for it for at most that long.
    ///
    /// # Errors
    /// [`LockError::Held`] when somebody has it for longer.
    pub fn take(store: &Store, patience: Duration) -> Result<Self, LockError> {
        let deadline = Instant::now() + patience;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        store.make()?;
        let path = store.path(FILE);
        let failed = |source: io::Error| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = options.open(&path).map_err(failed)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    sign(&mut lock).map_err(failed)?;
                    return Ok(Self { _file: lock });
                }
                Err((mut back, Errno::EWOULDBLOCK)) => {
                    if Instant::now() >= deadline {
                        return Err(LockError::Held {
                            holder: holder(&mut back),
                        });
                    }
                    thread::sleep(PAUSE);
                    file = back;
                }
                Err((_, errno)) => return Err(failed(errno.into())),
            }
        }
    }

    /// The process that holds the lock at this moment, if one does.
    #[must_use]
    pub fn holder(store: &Store) -> Option<u32> {
        let file = File::open(store.path(FILE)).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Err((mut file, Errno::EWOULDBLOCK)) => holder(&mut file),
            _ => None,
        }
    }
}

/// Writes down who holds it.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    write!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
