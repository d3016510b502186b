//! Entries into the own connection table, by way of the own backup daemon.
//!
//! Netlink has no request that adds a connection. The kernel's backup daemon takes whatever reaches
//! its group on its interface. Messages with a TTL of 0 reach it and leave the machine on no
//! interface (`ip_mc_output`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use ipvs::{DaemonRole, SyncDaemon};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Messages sent in one go: about half of what the daemon's receive buffer holds by default.
const BURST: usize = 32;

/// The pause after that, in which the daemon works. 3,000 messages a second have 120,000 entries.
const PAUSE: Duration = Duration::from_millis(10);

/// A way to the own backup daemon.
#[derive(Debug)]
pub struct Injector {
    socket: Socket,
    to: SockAddr,
}

/// The backup daemon among the running ones.
#[must_use]
pub fn backup(daemons: &[SyncDaemon]) -> Option<&SyncDaemon> {
    daemons
        .iter()
        .find(|daemon| daemon.role == DaemonRole::Backup)
}

impl Injector {
    /// Opens a socket in this thread's network namespace.
    ///
    /// # Errors
    /// If the interface is not there, or a right is missing.
    pub fn open(daemon: &SyncDaemon) -> io::Result<Self> {
        let group = daemon.group.unwrap_or(SyncDaemon::DEFAULT_GROUP.into());
        let port = if daemon.port == 0 {
            SyncDaemon::DEFAULT_PORT
        } else {
            daemon.port
        };
        let domain = Domain::for_address(SocketAddr::new(group, port));
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.bind_device(Some(daemon.interface.as_bytes()))?;
        match group {
            IpAddr::V4(_) => {
                socket.set_multicast_loop_v4(true)?;
                socket.set_multicast_ttl_v4(0)?;
            }
            IpAddr::V6(_) => {
                socket.set_multicast_loop_v6(true)?;
                socket.set_multicast_hops_v6(0)?;
            }
        }
        Ok(Self {
            socket,
            to: SocketAddr::new(group, port).into(),
        })
    }

    /// Sends one message, without a pause.
    ///
    /// # Errors
    /// If the kernel refuses it.
    pub fn send_one(&self, message: &[u8]) -> io::Result<()> {
        self.socket.send_to(message, &self.to)?;
        Ok(())
    }

    /// Sends messages at a pace that the daemon keeps up with. What is lost nevertheless is not in
    /// the table afterwards.
    ///
    /// # Errors
    /// If the kernel refuses one.
    pub fn send(&self, messages: &[Vec<u8>]) -> io::Result<()> {
        for burst in messages.chunks(BURST) {
            for message in burst {
                self.send_one(message)?;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}
