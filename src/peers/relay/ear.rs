//! What the own master daemon says.
//!
//! Any process of this machine can send to the group on `lo`. The master's socket belongs to root and is
//! connected to the group, which the kernel's list of sockets says: only its port is listened to.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ipvs::SyncDaemon;
use ipvs_sync::Entry;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::state::relay::{INTERFACE, PORT, PULSE};

/// Room for about ten thousand messages.
const BUFFER: usize = 8 << 20;

/// The most messages that are read in one go.
const BURST: usize = 1024;

/// The time between two looks at the kernel's list of sockets.
const LOOK: Duration = Duration::from_secs(1);

/// Where the master sends to.
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(SyncDaemon::DEFAULT_GROUP), PORT);

#[derive(Debug)]
pub(super) struct Ear {
    socket: UdpSocket,
    buffer: Vec<u8>,
    sockets: Sockets,
    looked: Option<Instant>,
}

impl Ear {
    /// Listens in this thread's network namespace.
    ///
    /// # Errors
    /// If there is no `lo`, or another process has the port.
    pub(super) fn open() -> io::Result<Self> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::UDP))?;
        // Without the right to more, the usual buffer has to do.
        let _ = setsockopt(&socket, RcvBufForce, &BUFFER);
        socket.bind_device(Some(INTERFACE.as_bytes()))?;
        socket.bind(&GROUP.into())?;
        let index = nix::net::if_::if_nametoindex(INTERFACE)?;
        let on = InterfaceIndexOrAddress::Index(index);
        socket.join_multicast_v4_n(&SyncDaemon::DEFAULT_GROUP, &on)?;
        Ok(Self {
            socket: socket.into(),
            buffer: vec![0; 1 << 16],
            sockets: Sockets::default(),
            looked: None,
        })
    }

    pub(super) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Messages that the kernel dropped because they were not read in time; each has a connection.
    pub(super) const fn dropped(&self) -> u64 {
        self.sockets.dropped
    }

    /// Looks at the kernel's list of sockets, once a second.
    pub(super) fn look(&mut self, now: Instant) {
        let is_due = self
            .looked
            .is_none_or(|at| now.saturating_duration_since(at) >= LOOK);
        if is_due && let Ok(text) = fs::read_to_string("/proc/thread-self/net/udp") {
            self.looked = Some(now);
            self.sockets = Sockets::parse(&text);
        }
    }

    /// Reads what is there, but no more than a burst. What is not from the master is ignored.
    ///
    /// # Errors
    /// Any error of the socket.
    pub(super) fn read(&mut self, mut take: impl FnMut(Entry)) -> io::Result<()> {
        for _ in 0..BURST {
            let (length, from) = match self.socket.recv_from(&mut self.buffer) {
                Ok(read) => read,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(why) => return Err(why),
            };
            if !self.sockets.masters.contains(&from.port()) {
                continue;
            }
            let message = ipvs_sync::decode(&self.buffer[..length]);
            let entries = message.map_or(Vec::new(), |message| message.entries);
            entries
                .into_iter()
                .filter(|entry| entry.virtual_service != PULSE)
                .for_each(&mut take);
        }
        Ok(())
    }
}

/// What the kernel's list of UDP sockets says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    /// The ports from which root's sockets send to the group.
    pub(super) masters: Vec<u16>,
    /// Of the socket that is bound to the group.
    pub(super) dropped: u64,
}

impl Sockets {
    pub(super) fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, remote, _, _, _, _, uid, .., dropped] = fields[..] else {
                continue;
            };
            if address(remote) == Some(GROUP) && uid == "0" {
                found
                    .masters
                    .extend(address(local).map(|local| local.port()));
            }
            if address(local) == Some(GROUP) {
                found.dropped = dropped.parse().unwrap_or(0);
            }
        }
        found
    }
}

/// `510000E0:2292`: the address in this machine's order of bytes.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    let address = Ipv4Addr::from(address.to_ne_bytes());
    Some(SocketAddr::new(
        address.into(),
        u16::from_str_radix(port, 16).ok()?,
    ))
}
