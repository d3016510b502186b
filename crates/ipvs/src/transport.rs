//! The layer below a client: datagrams to and from the kernel.
//!
//! The socket is one implementation ([`NetlinkSocket`](crate::NetlinkSocket)), the in-memory kernel
//! another (`fake::FakeKernel`, feature `fake`). A test may wrap either to lose, reorder or corrupt
//! datagrams.

use std::io;
use std::time::Duration;

/// Datagrams to and from IPVS.
///
/// The kernel processes a datagram and queues its answers before `send` returns.
pub trait Transport {
    /// Sends one datagram of one or more requests.
    ///
    /// # Errors
    /// Any error of the socket; `EMSGSIZE` if the datagram is too long.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Receives one datagram into `buffer`, replacing its contents. The buffer's capacity limits
    /// the datagram and determines how much of a dump the kernel puts into one.
    ///
    /// Returns the datagram's length, which exceeds the buffer's if it did not fit.
    ///
    /// # Errors
    /// `ENOBUFS` (once) if answers were dropped; [`io::ErrorKind::WouldBlock`] if no datagram is
    /// there: immediately with [`Wait::Poll`], after [`Transport::time_limit`] otherwise.
    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize>;

    /// How many acknowledgements can be queued before the kernel drops one. Each takes up to a
    /// kilobyte of the receive buffer.
    fn acknowledgement_room(&self) -> usize;

    /// How long [`Wait::Block`] waits.
    fn time_limit(&self) -> Duration;

    /// A second transport to the same tables, for reading a dump again in other pieces. `None` if
    /// the calling thread is in another network namespace by now.
    ///
    /// # Errors
    /// Any error of opening a socket.
    fn second(&self) -> io::Result<Option<Self>>
    where
        Self: Sized;
}

/// Whether [`Transport::receive`] waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Waits for a datagram, up to the time limit.
    Block,
    /// Does not wait.
    Poll,
}
