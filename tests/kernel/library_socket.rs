//! Sockets for the tests: one with a given buffer size, and one during whose dumps another program
//! writes.
#![allow(
    clippy::unwrap_used,
    reason = "a lock is poisoned only in a test that has failed already"
)]

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, Mutex},
    time::Duration,
};

use ipvs::{
    NetlinkSocket,
    transport::{Transport, Wait},
};
use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect,
        getsockopt, recv, send, setsockopt, socket, sockopt,
    },
    time::{TimeVal, TimeValLike},
};

/// A generic netlink socket with the kernel's default receive buffer, which computes its room for
/// acknowledgements as the library's own does; or with a smaller one, which claims to hold any
/// number of them.
pub(crate) struct PlainSocket {
    descriptor: OwnedFd,
    receive_buffer: Option<usize>,
}

impl PlainSocket {
    /// `receive_buffer`: the size in bytes, half of what the kernel allocates; `None` for its
    /// default.
    pub(crate) fn open(receive_buffer: Option<usize>) -> io::Result<Self> {
        let descriptor = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )?;
        connect(descriptor.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        if let Some(bytes) = receive_buffer {
            setsockopt(&descriptor, sockopt::RcvBuf, &bytes)?;
        }
        setsockopt(&descriptor, sockopt::ReceiveTimeout, &TimeVal::seconds(10))?;
        Ok(Self {
            descriptor,
            receive_buffer,
        })
    }
}

impl Transport for PlainSocket {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        send(self.descriptor.as_raw_fd(), datagram, MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        let mut flags = MsgFlags::MSG_TRUNC;
        if wait == Wait::Poll {
            flags |= MsgFlags::MSG_DONTWAIT;
        }
        buffer.resize(buffer.capacity(), 0);
        let result = recv(self.descriptor.as_raw_fd(), buffer, flags);
        buffer.truncate(result.unwrap_or(0));
        Ok(result?)
    }

    fn acknowledgement_room(&self) -> usize {
        if self.receive_buffer.is_some() {
            return usize::MAX;
        }
        getsockopt(&self.descriptor, sockopt::RcvBuf).unwrap() / 1024
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn second(&self) -> io::Result<Option<Self>> {
        Self::open(self.receive_buffer).map(Some)
    }
}

/// Called between two pieces with the number of dumps begun and the number of pieces of this one
/// that the kernel has written.
type Meddle = Arc<Mutex<dyn FnMut(usize, usize) + Send>>;

/// A socket during whose dumps another program writes.
pub(crate) struct Watched {
    socket: NetlinkSocket,
    meddle: Meddle,
    dumps: Arc<Mutex<usize>>,
    /// The number of pieces written of the dump in progress; `None` without one.
    pieces: Option<usize>,
}

impl Watched {
    pub(crate) fn open(meddle: impl FnMut(usize, usize) + Send + 'static) -> io::Result<Self> {
        Ok(Self {
            socket: NetlinkSocket::open()?,
            meddle: Arc::new(Mutex::new(meddle)),
            dumps: Arc::default(),
            pieces: None,
        })
    }
}

impl Transport for Watched {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram)?;
        let flags = u16::from_ne_bytes([datagram[6], datagram[7]]);
        // NLM_F_DUMP
        self.pieces = (flags & 0x300 == 0x300).then(|| {
            *self.dumps.lock().unwrap() += 1;
            1
        });
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        // Reading a piece makes the kernel write the next (`netlink_recvmsg`), so this comes in
        // between.
        if let Some(pieces) = &mut self.pieces {
            let dumps = *self.dumps.lock().unwrap();
            (self.meddle.lock().unwrap())(dumps, *pieces);
            *pieces += 1;
        }
        self.socket.receive(buffer, wait)
    }

    fn acknowledgement_room(&self) -> usize {
        self.socket.acknowledgement_room()
    }

    fn time_limit(&self) -> Duration {
        self.socket.time_limit()
    }

    fn second(&self) -> io::Result<Option<Self>> {
        let second = self.socket.second()?;
        Ok(second.map(|socket| Self {
            socket,
            meddle: Arc::clone(&self.meddle),
            dumps: Arc::clone(&self.dumps),
            pieces: None,
        }))
    }
}
