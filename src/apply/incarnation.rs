//! Identifies the boot and the namespace that the tables belong to.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket};
use serde::{Deserialize, Serialize};

/// The tables live from boot to shutdown in one network namespace. Records about the tables of
/// another boot or namespace are void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// The contents of `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Device and inode of the namespace's file (namespaces(7)).
    pub namespace: (u64, u64),
    /// A number that the kernel gives to one namespace only until the next boot. The inode is not
    /// enough: a new namespace reuses that of a deleted one. `None` before Linux 5.14.
    #[serde(default)]
    pub cookie: Option<u64>,
}

impl Incarnation {
    /// The incarnation of the calling thread's namespace.
    ///
    /// # Errors
    /// If /proc cannot be read, or no socket can be opened to ask for the cookie.
    pub fn current() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let namespace = fs::metadata("/proc/thread-self/ns/net")?;
        Ok(Self {
            boot: boot.trim().to_owned(),
            namespace: (namespace.dev(), namespace.ino()),
            cookie: cookie()?,
        })
    }

    /// The name of the namespace's directory in the state directory. By inode, so that
    /// `ip netns exec` and --netns use the same one.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("net-{}", self.namespace.1)
    }
}

/// `net->net_cookie`, counted up by `net_gen_cookie`, as every socket of the namespace reports it.
fn cookie() -> io::Result<Option<u64>> {
    // The family that always exists and costs the least.
    let any = socket(
        AddressFamily::Unix,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    match getsockopt(&any, NetnsCookie) {
        Ok(cookie) => Ok(Some(cookie)),
        Err(Errno::ENOPROTOOPT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// `SO_NETNS_COOKIE`, socket(7): a u64.
#[derive(Debug, Clone, Copy)]
struct NetnsCookie;

// nix's own macro for options without a name; it contains the call of `getsockopt`.
nix::getsockopt_impl!(
    NetnsCookie,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64,
    nix::sys::socket::sockopt::GetStruct<u64>
);
