//! Named network namespaces, as `ip netns` manages them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

/// The directory of the names.
const NAMES: &str = "/run/netns";

/// Why entering a namespace failed.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The name is invalid.
    #[error("`{0}` is not the name of a network namespace")]
    Name(String),
    /// No namespace has this name.
    #[error("no network namespace `{name}` ({path})")]
    Missing {
        /// The name given.
        name: String,
        /// The path of its file.
        path: PathBuf,
        /// The file system's error.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("cannot enter network namespace `{name}`")]
    Refused {
        /// The name given.
        name: String,
        /// The kernel's errno.
        source: Errno,
    },
}

/// Device and inode of a namespace's file (namespaces(7)). Unique as long as a process is in the
/// namespace.
pub type Id = (u64, u64);

/// The namespace that has this name now; `None` if none has.
///
/// # Errors
/// If the file cannot be examined.
pub fn named(name: &str) -> io::Result<Option<Id>> {
    match fs::metadata(Path::new(NAMES).join(name)) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The namespace of the calling thread.
///
/// # Errors
/// If /proc cannot be read.
pub fn current() -> io::Result<Id> {
    let found = fs::metadata("/proc/thread-self/ns/net")?;
    Ok((found.dev(), found.ino()))
}

/// The namespace of a process.
///
/// # Errors
/// If it is gone, or this user may not see it.
pub fn of_process(pid: u32) -> io::Result<Id> {
    let found = fs::metadata(format!("/proc/{pid}/ns/net"))?;
    Ok((found.dev(), found.ino()))
}

/// The name of a namespace, if it has one.
#[must_use]
pub fn name_of(id: Id) -> Option<String> {
    let names = fs::read_dir(NAMES).ok()?;
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names = names.filter(|name| named(name).is_ok_and(|found| found == Some(id)));
    names.next()
}

/// Moves the calling thread into the namespace of this name, for good.
///
/// # Errors
/// Any [`NamespaceError`].
pub fn enter(name: &str) -> Result<(), NamespaceError> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(NamespaceError::Name(name.to_owned()));
    }
    let path = Path::new(NAMES).join(name);
    let file = File::open(&path).map_err(|source| NamespaceError::Missing {
        name: name.to_owned(),
        path,
        source,
    })?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|source| NamespaceError::Refused {
        name: name.to_owned(),
        source,
    })
}
