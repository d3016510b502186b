//! The generic netlink socket to the kernel.

use std::fs;
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::os::linux::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::Duration;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_GENERIC;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, setsockopt, sockopt};
use socket2::SockRef;

use crate::transport::{Transport, Wait};

/// A netlink socket in the network namespace of the thread that opened it, even if the thread or
/// the socket moves elsewhere later.
#[derive(Debug)]
pub struct NetlinkSocket {
    socket: Socket,
    /// How many acknowledgements fit into its receive buffer; computed on first use.
    room: OnceLock<usize>,
    /// How many datagrams have been received one by one.
    singles: u32,
    /// Buffers for two datagrams per call; empty until then.
    slots: [Box<[u8]>; 2],
    /// The length of the datagram in the second buffer, received together with the previous one.
    ahead: Option<usize>,
    /// The socket's namespace; `None` if /proc is not mounted.
    namespace: Option<Namespace>,
}

/// Device and inode of a namespace's file, which identify it (namespaces(7)).
type Namespace = (u64, u64);

impl NetlinkSocket {
    /// The kernel answers a request before `send` returns, unless another writer holds its lock.
    /// Deleting many services waits for one grace period each.
    const TIME_LIMIT: Duration = Duration::from_secs(60);
    /// The room of an acknowledgement in the receive buffer: a 36-byte message in an skb whose
    /// `truesize` grows from kernel to kernel (768 in 6.1, 960 in 6.12 and 7.2, all 64-bit),
    /// rounded up.
    const ACKNOWLEDGEMENT: usize = 1024;
    /// The requested size, where the capability allows it; the kernel doubles it for its own
    /// overhead.
    const WANTED_BUFFER: usize = 1 << 20;

    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// Any error of `socket` or `setsockopt`: too many open files, a seccomp filter, a kernel
    /// without `CONFIG_NETLINK`.
    pub fn open() -> io::Result<Self> {
        // The first send binds it to a free port (`netlink_autobind`).
        let socket = Socket::new(NETLINK_GENERIC)?;
        SockRef::from(&socket).set_read_timeout(Some(Self::TIME_LIMIT))?;
        Ok(Self {
            socket,
            room: OnceLock::new(),
            singles: 0,
            slots: Default::default(),
            ahead: None,
            namespace: current_namespace(),
        })
    }

    /// Enlarges the receive buffer. A single request does not need it, and most programs make few.
    fn make_room(&self) -> usize {
        // A refusal then repeats only the request's header. Kernels before 4.3 do not support this:
        // there is then less room than computed, and lost answers are reported as such.
        let _ = self.socket.set_cap_ack(true);
        // Needs CAP_NET_ADMIN in the initial user namespace. Without it, the default buffer
        // (212,992 bytes unless `net.core.rmem_default` is set) limits the length of a chunk.
        let _ = setsockopt(&self.socket, sockopt::RcvBufForce, &Self::WANTED_BUFFER);
        let size = SockRef::from(&self.socket).recv_buffer_size().unwrap_or(0);
        (size / Self::ACKNOWLEDGEMENT).max(1)
    }
}

impl NetlinkSocket {
    /// Programs that read fewer datagrams than this are faster without the buffers for two.
    const SINGLES: u32 = 8;

    fn receive_one(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        let mut flags = MsgFlags::MSG_TRUNC;
        if wait == Wait::Poll {
            flags |= MsgFlags::MSG_DONTWAIT;
        }
        let length = self.socket.recv(buffer, flags.bits())?;
        self.singles += 1;
        Ok(length)
    }

    /// Receives a datagram, and the next one too if it is already queued. The kernel writes the end
    /// of a short dump while its one piece is read (`netlink_recvmsg`), so a list takes two calls
    /// instead of three.
    fn receive_two(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> nix::Result<usize> {
        let size = buffer.capacity();
        for slot in &mut self.slots {
            if slot.len() != size {
                *slot = vec![0; size].into_boxed_slice();
            }
        }
        // Waits for the first datagram only.
        let mut flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_WAITFORONE;
        if wait == Wait::Poll {
            flags |= MsgFlags::MSG_DONTWAIT;
        }
        let mut headers = MultiHeaders::<()>::preallocate(2, None);
        let [first, second] = &mut self.slots;
        let mut slices = [[IoSliceMut::new(first)], [IoSliceMut::new(second)]];
        let fd = self.socket.as_raw_fd();
        let received = recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None)?;
        let mut lengths = received.map(|message| message.bytes);
        let length = lengths.next().unwrap_or(0);
        self.ahead = lengths.next();
        buffer.extend_from_slice(&self.slots[0][..length.min(size)]);
        Ok(length)
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
        buffer.clear();
        if let Some(length) = self.ahead.take() {
            let [_, second] = &self.slots;
            buffer.extend_from_slice(&second[..length.min(second.len())]);
            return Ok(length);
        }
        loop {
            let received = if self.singles < Self::SINGLES {
                self.receive_one(buffer, wait)
            } else {
                self.receive_two(buffer, wait).map_err(io::Error::from)
            };
            match received {
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
