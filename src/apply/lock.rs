//! One director at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::store::Store;

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
    /// The lock file cannot be opened.
    #[error("cannot open the lock file: {0}")]
    Io(#[from] io::Error),
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
        let mut file = options.open(store.path(FILE))?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    lock.set_len(0)?;
                    lock.seek(SeekFrom::Start(0))?;
                    write!(lock, "{}", std::process::id())?;
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
                Err((_, errno)) => return Err(LockError::Io(errno.into())),
            }
        }
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
