//! Which life of which namespace the tables belong to.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, getsockopt, socket};
use serde::{Deserialize, Serialize};

/// The tables live from boot to shutdown, in one network namespace. What was written down about
/// them in another life is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Device and inode of the namespace's file (namespaces(7)).
    pub namespace: (u64, u64),
    /// The number that the kernel gives to one namespace and to no other until it is booted. The
    /// inode does not tell lives apart: that of a namespace which is gone is the next one's.
    /// `None` before Linux 5.14.
    #[serde(default)]
    pub cookie: Option<u64>,
}

impl Incarnation {
    /// That of the calling thread.
    ///
    /// # Errors
    /// When /proc cannot be read, or no socket can be made to ask for the cookie.
    pub fn current() -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let namespace = fs::metadata("/proc/thread-self/ns/net")?;
        Ok(Self {
            boot: boot.trim().to_owned(),
            namespace: (namespace.dev(), namespace.ino()),
            cookie: cookie()?,
        })
    }
}

/// `net->net_cookie`, counted up by `net_gen_cookie`, as any socket of the namespace tells it.
fn cookie() -> io::Result<Option<u64>> {
    // Of all families the one that is always there and costs the least.
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

// nix's own macro for options that it has no name for; the call of `getsockopt` is in there.
nix::getsockopt_impl!(
    NetnsCookie,
    libc::SOL_SOCKET,
    libc::SO_NETNS_COOKIE,
    u64,
    nix::sys::socket::sockopt::GetStruct<u64>
);
