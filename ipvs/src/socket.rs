//! The generic netlink socket to the kernel.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::Duration;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::sys::socket::{MsgFlags, setsockopt, sockopt};
use socket2::SockRef;

use crate::transport::{Transport, Wait};

/// A netlink socket in the network namespace of the thread that opened it, wherever that thread
/// or the socket goes later.
#[derive(Debug)]
pub struct NetlinkSocket {
    socket: Socket,
    /// How many acknowledgements fit its receive buffer, once somebody has asked.
    room: OnceLock<usize>,
    /// Which namespace the socket is in; `None` where /proc is not mounted.
    namespace: Option<Namespace>,
}

/// Device and inode of a namespace's file, which are its identity (namespaces(7)).
type Namespace = (u64, u64);

impl NetlinkSocket {
    /// The kernel answers a request before `send` returns, but for a lock that another writer
    /// holds. Deleting many services waits for a grace period for each.
    const TIME_LIMIT: Duration = Duration::from_secs(60);
    /// What an acknowledgement occupies in the receive buffer: a 36-byte message in an skb whose
    /// `truesize` is 768 on 64-bit kernels (212,992 bytes held 277 of them), rounded up.
    const ACKNOWLEDGEMENT: usize = 832;
    /// Asked for where the capability allows; the kernel doubles it for its own overhead.
    const WANTED_BUFFER: usize = 1 << 20;

    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// Whatever `socket` or `setsockopt` say: too many open files, a seccomp filter, a
    /// kernel without `CONFIG_NETLINK`.
    pub fn open() -> io::Result<Self> {
        // The first send binds it to a port of its own (`netlink_autobind`).
        let socket = Socket::new(NETLINK_GENERIC)?;
        // Error answers then repeat the request's header and not all of it.
        socket.set_cap_ack(true)?;
        SockRef::from(&socket).set_read_timeout(Some(Self::TIME_LIMIT))?;
        Ok(Self {
            socket,
            room: OnceLock::new(),
            namespace: current_namespace(),
        })
    }

    /// Makes room for answers. A single request needs none, and most programs make few.
    fn make_room(&self) -> usize {
        // CAP_NET_ADMIN in the initial user namespace; without it the default buffer has room for
        // a chunk, unless `net.core.rmem_default` was set low: then chunks are smaller.
        let _ = setsockopt(&self.socket, sockopt::RcvBufForce, &Self::WANTED_BUFFER);
        let size = SockRef::from(&self.socket).recv_buffer_size().unwrap_or(0);
        (size / Self::ACKNOWLEDGEMENT).max(1)
    }
}

fn current_namespace() -> Option<Namespace> {
    let metadata = fs::metadata("/proc/thread-self/ns/net").ok()?;
    Some((metadata.st_dev(), metadata.st_ino()))
}

impl Transport for NetlinkSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(datagram, 0) {
                Ok(length) if length == datagram.len() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        let mut flags = MsgFlags::MSG_TRUNC;
        if wait == Wait::Poll {
            flags |= MsgFlags::MSG_DONTWAIT;
        }
        loop {
            buffer.clear();
            match self.socket.recv(buffer, flags.bits()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn acknowledgement_room(&self) -> usize {
        *self.room.get_or_init(|| self.make_room())
    }

    fn time_limit(&self) -> Duration {
        Self::TIME_LIMIT
    }

    fn second(&self) -> io::Result<Option<Self>> {
        let second = Self::open()?;
        Ok((second.namespace == self.namespace).then_some(second))
    }
}
