//! One director at a time, per state directory and per network namespace.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use socket2::Socket;

use super::sole::{self, Claim};
use super::store::{Store, StoreError};
use crate::regular;
use crate::words::printable;

const FILE: &str = "lock";
const PAUSE: Duration = Duration::from_millis(50);
/// The longest command line of another director to show, in bytes.
const LONGEST_COMMAND: u64 = 200;

/// The right to change the tables. The kernel releases it whenever the program ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
    /// The lock of the namespace; `None` if its name is taken by a process that is no director.
    _namespace: Option<Socket>,
}

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program holds it.
    #[error("another director holds the lock{}: wait until it is done, or stop it", process(*.holder))]
    Held {
        /// The holding process, according to the lock file.
        holder: Option<u32>,
    },
    /// A director with another state directory holds the network namespace.
    #[error(
        "another director holds the lock in this network namespace{}, with another --state-dir: \
         wait until it is done, or stop it", process(*.holder)
    )]
    HeldElsewhere {
        /// The holding process, if the kernel shows it.
        holder: Option<u32>,
    },
    /// The directory cannot be created.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {path}")]
    Io {
        /// The path of the lock file.
        path: PathBuf,
        /// The file system's error.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of a state directory and of the calling thread's network namespace; waits for
    /// each at most `patience`.
    ///
    /// # Errors
    /// [`LockError::Held`] if another program holds it for longer.
    pub fn take(store: &Store, patience: Duration) -> Result<Self, LockError> {
        Self::take_named(store, patience, sole::NAME)
    }

    fn take_named(store: &Store, patience: Duration, name: &str) -> Result<Self, LockError> {
        let deadline = Instant::now() + patience;
        store.make()?;
        let path = store.path(FILE);
        let failed = |source: io::Error| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = open(&path).map_err(failed)?;
        let locked = loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut lock) => {
                    // The signature only helps people: a full disk must not keep a director from
                    // starting.
                    let _ = sign(&mut lock);
                    break lock;
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
        };
        let namespace = loop {
            match sole::claim(name).map_err(failed)? {
                Claim::Ours(socket) => break Some(socket),
                Claim::Theirs { holder } if Instant::now() >= deadline => {
                    return Err(LockError::HeldElsewhere { holder });
                }
                Claim::Theirs { .. } => thread::sleep(PAUSE),
                Claim::Squatted(by) => {
                    store.warn(format!(
                        "another program than director has taken the name @{name} of this network \
                         namespace ({by}): director cannot notice one with another --state-dir"
                    ));
                    break None;
                }
            }
        };
        store.hold();
        Ok(Self {
            _file: locked,
            _namespace: namespace,
        })
    }

    /// The process that holds the lock now, if any.
    #[must_use]
    pub fn holder(store: &Store) -> Option<u32> {
        let file = regular::open_no_link(&store.path(FILE)).ok()?;
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Err((mut file, Errno::EWOULDBLOCK)) => holder(&mut file),
            _ => None,
        }
    }
}

/// The lock file: a regular file, not a link to one.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        // Reports what it is instead.
        Ok(_) => regular::open_no_link(path),
        Err(error) => match regular::open_no_link(path) {
            // A file need not be writable to be locked: the file system may have become read-only.
            Ok(file) => Ok(file),
            Err(other) if other.kind() == io::ErrorKind::InvalidInput => Err(other),
            Err(_) => Err(error),
        },
    }
}

/// Writes the holder into the lock file.
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

/// ` (process 4711: director run /etc/director/director.toml)`
fn process(pid: Option<u32>) -> String {
    let Some(pid) = pid else {
        return String::new();
    };
    match command(pid).filter(|command| !command.is_empty()) {
        Some(command) => format!(" (process {pid}: {command})"),
        None => format!(" (process {pid})"),
    }
}

fn command(pid: u32) -> Option<String> {
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let mut bytes = Vec::new();
    file.take(LONGEST_COMMAND).read_to_end(&mut bytes).ok()?;
    let words: Vec<_> = bytes.split(|byte| *byte == 0).collect();
    let text = words.join(&b' ');
    Some(printable(String::from_utf8_lossy(&text).trim()))
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;

    use super::*;

    fn take(store: &Store, of: &str) -> Result<Lock, LockError> {
        let name = format!("director.test.{of}.{}", std::process::id());
        Lock::take_named(store, Duration::ZERO, &name)
    }

    #[test]
    fn a_second_director_with_another_state_directory_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let store = |name: &str| Store::new(directory.path().join(name));
        let first = take(&store("one"), "twice").unwrap();
        let error = take(&store("two"), "twice").unwrap_err().to_string();
        let process = format!("(process {}", std::process::id());
        for part in ["in this network namespace", &process, "--state-dir"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        drop(first);
        take(&store("two"), "twice").unwrap();
    }

    #[test]
    fn a_lock_that_is_no_regular_file_is_refused_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("state"));
        store.make().unwrap();
        let (path, victim) = (store.path(FILE), directory.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        let said = |of: &str| {
            let error = take(&store, of).unwrap_err();
            std::error::Error::source(&error).unwrap().to_string()
        };
        assert_eq!(said("link"), "not a regular file but a symbolic link");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert_eq!(said("fifo"), "not a regular file but a FIFO");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(said("directory"), "not a regular file but a directory");
        fs::remove_dir(&path).unwrap();
        take(&store, "none").unwrap();
    }
}
