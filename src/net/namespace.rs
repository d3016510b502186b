//! Named network namespaces, as `ip netns` keeps them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

/// Where the names are.
const NAMES: &str = "/run/netns";

/// Why a namespace was not entered.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// It is no name that one could have.
    #[error("`{0}` is not the name of a network namespace")]
    Name(String),
    /// There is none of that name.
    #[error("there is no network namespace `{name}` ({path})")]
    Missing {
        /// The name.
        name: String,
        /// Where it would be.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The kernel refuses.
    #[error("cannot enter network namespace `{name}`")]
    Refused {
        /// The name.
        name: String,
        /// Why.
        source: Errno,
    },
}

/// Device and inode of a namespace's file (namespaces(7)). As long as a process is in the namespace no
/// other has the same.
pub type Id = (u64, u64);

/// Which namespace has that name now; `None` if none has.
///
/// # Errors
/// When that cannot be seen.
pub fn named(name: &str) -> io::Result<Option<Id>> {
    match fs::metadata(Path::new(NAMES).join(name)) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// That of the calling thread.
///
/// # Errors
/// When /proc cannot be read.
pub fn current() -> io::Result<Id> {
    let found = fs::metadata("/proc/thread-self/ns/net")?;
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

/// Moves the calling thread into the namespace of that name, for good.
///
/// # Errors
/// [`NamespaceError`]
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
