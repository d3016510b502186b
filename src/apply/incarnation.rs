//! Which life of which namespace the tables belong to.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// The tables live from boot to shutdown, in one network namespace. What was written down about
/// them in another life is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Device and inode of the namespace's file (namespaces(7)).
    pub namespace: (u64, u64),
}

impl Incarnation {
    /// That of the calling thread.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn current() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let namespace = fs::metadata("/proc/thread-self/ns/net")?;
        Ok(Self {
            boot: boot.trim().to_owned(),
            namespace: (namespace.dev(), namespace.ino()),
        })
    }
}
