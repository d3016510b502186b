//! Pushes the last connection out of the master's buffer.
//!
//! A message goes when the next connection does not fit into it. So there always is a next one: an
//! entry for a connection of this machine with itself, put into the own table as open, and closed by a
//! packet. The kernel sends a connection that closes immediately, whatever `sync_threshold` says
//! (`ip_vs_sync_conn_needed`).

use std::io;
use std::time::{Duration, Instant};

use ipvs::SyncDaemon;
use ipvs_sync::{Encoder, Entry, Flags, tcp};
use socket2::{Domain, Protocol, Socket, Type};

use super::super::inject::Injector;
use crate::state::relay::PULSE;

/// The time between two pulses. The master wakes up 20 ms after the first message of a queue
/// (`IPVS_SYNC_SEND_DELAY`).
pub(super) const PERIOD: Duration = Duration::from_millis(40);

/// Seconds until the entry is gone when the pulse has stopped.
const TIMEOUT: u32 = 10;

/// The protocol of the packet.
const TCP: u8 = 6;

/// RST.
const RESET: u8 = 4;

#[derive(Debug)]
pub(super) struct Pulse {
    injector: Injector,
    entry: Vec<u8>,
    socket: Socket,
    packet: [u8; 20],
    next: Instant,
}

impl Pulse {
    /// Opens its sockets in this thread's network namespace.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, or if `lo` is down.
    pub(super) fn open(backup: &SyncDaemon, now: Instant) -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::TCP))?;
        // It is for sending only.
        socket.set_recv_buffer_size(0)?;
        socket.bind(&PULSE.into())?;
        let entry = Entry {
            flags: Flags::LOCAL | Flags::NO_OUTPUT,
            state: tcp::ESTABLISHED,
            timeout: TIMEOUT,
            ..Entry::new(TCP, PULSE, PULSE, PULSE)
        };
        let mut encoder = Encoder::new(backup.sync_id.0, Encoder::ETHERNET);
        encoder.push(&entry).map_err(io::Error::other)?;
        Ok(Self {
            injector: Injector::open(backup)?,
            entry: encoder.finish().unwrap_or_default(),
            socket,
            packet: reset(),
            next: now,
        })
    }

    /// The time until the next pulse.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// Closes the connection if it is time, and opens it for the next pulse.
    pub(super) fn beat(&mut self, now: Instant) -> io::Result<()> {
        if now < self.next {
            return Ok(());
        }
        self.next = now + PERIOD;
        match self.socket.send_to(&self.packet, &PULSE.into()) {
            // The next one does it.
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
            sent => drop(sent?),
        }
        self.injector.send_one(&self.entry)
    }
}

/// A TCP header from the pulse's port to itself.
pub(super) fn reset() -> [u8; 20] {
    let port = PULSE.port().to_be_bytes();
    let mut packet = [0; 20];
    packet[..2].copy_from_slice(&port);
    packet[2..4].copy_from_slice(&port);
    packet[12] = 5 << 4;
    packet[13] = RESET;
    let mut sum = u32::from(TCP) + 20;
    if let std::net::IpAddr::V4(address) = PULSE.ip() {
        let [a, b, c, d] = address.octets();
        sum += 2 * (u32::from_be_bytes([0, 0, a, b]) + u32::from_be_bytes([0, 0, c, d]));
    }
    for pair in packet.chunks_exact(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX);
    packet[16..18].copy_from_slice(&(!folded).to_be_bytes());
    packet
}
