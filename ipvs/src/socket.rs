//! The generic netlink socket to the kernel.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{MsgFlags, setsockopt, sockopt};
use socket2::SockRef;

use crate::transport::{Transport, Wait};

/// A netlink socket in the network namespace of the thread that opened it, wherever that thread
/// or the socket goes later.
#[derive(Debug)]
pub struct NetlinkSocket {
    socket: Socket,
    receive_buffer: usize,
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
    /// Whatever `socket`, `setsockopt` or `bind` say: too many open files, a seccomp filter, a
    /// kernel without `CONFIG_NETLINK`.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        // Error answers then repeat the request's header and not all of it.
        socket.set_cap_ack(true)?;
        // CAP_NET_ADMIN in the initial user namespace; without it the default buffer has room for
        // a chunk, and the size read back below says how large a chunk.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &Self::WANTED_BUFFER);
        let options = SockRef::from(&socket);
        options.set_read_timeout(Some(Self::TIME_LIMIT))?;
        let receive_buffer = options.recv_buffer_size()?;
        Ok(Self {
            socket,
            receive_buffer,
            namespace: current_namespace(),
        })
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
        (self.receive_buffer / Self::ACKNOWLEDGEMENT).max(1)
    }

    fn time_limit(&self) -> Duration {
        Self::TIME_LIMIT
    }

    fn second(&self) -> io::Result<Option<Self>> {
        let second = Self::open()?;
        Ok((second.namespace == self.namespace).then_some(second))
    }
}
