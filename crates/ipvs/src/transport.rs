//! What a client needs below it: datagrams to the kernel and back.
//!
//! The socket is one implementation ([`NetlinkSocket`](crate::NetlinkSocket)), the in-memory
//! kernel another (`fake::FakeKernel`, feature `fake`), and a test may wrap either to lose,
//! reorder or spoil datagrams.

use std::io;
use std::time::Duration;

/// Datagrams to and from an IPVS.
///
/// The kernel works through a datagram before `send` returns, and queues its answers meanwhile.
pub trait Transport {
    /// Sends one datagram of one or more requests.
    ///
    /// # Errors
    /// Whatever the socket says; `EMSGSIZE` if the datagram is too long.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Receives one datagram into `buffer`, whose contents it replaces. The buffer's capacity is
    /// its limit, and how much of a dump the kernel puts into one datagram depends on it.
    ///
    /// Returns the datagram's length, which is more than the buffer's when it did not fit.
    ///
    /// # Errors
    /// `ENOBUFS` (once) when answers were dropped; [`io::ErrorKind::WouldBlock`] when nothing
    /// came: at once with [`Wait::Poll`], after [`Transport::time_limit`] otherwise.
    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize>;

    /// How many acknowledgements may be queued before the kernel drops them. One occupies up to a
    /// kilobyte of the receive buffer.
    fn acknowledgement_room(&self) -> usize;

    /// How long [`Wait::Block`] waits.
    fn time_limit(&self) -> Duration;

    /// A second way to the same tables, for reading a dump again in other pieces. `None` when the
    /// calling thread is in another network namespace by now.
    ///
    /// # Errors
    /// Whatever opening a socket says.
    fn second(&self) -> io::Result<Option<Self>>
    where
        Self: Sized;
}

/// Whether [`Transport::receive`] waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until a datagram comes or the time limit is reached.
    Block,
    /// Not at all.
    Poll,
}
