//! Named network namespaces, as `ip netns` keeps them.

use std::fs::File;
use std::io;
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
