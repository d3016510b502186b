//! A connection between two directors: frames over TLS, each with a deadline.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use director_peer::wire::{Frame, LONGEST};
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::certificates::explained;
use super::tls::Identity;

/// The longest time for a handshake, and for one frame.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// One end of a connection.
pub(super) struct Link {
    stream: Box<dyn Stream>,
    until: Rc<Cell<Instant>>,
}

impl Link {
    /// The end that connected.
    pub(super) fn client(stream: TcpStream, identity: &Identity) -> anyhow::Result<Self> {
        let (timed, until) = Timed::new(stream);
        let tls = ClientConnection::new(Arc::clone(&identity.client), identity.name.clone())?;
        let stream = Box::new(StreamOwned::new(tls, timed));
        Ok(Self { stream, until })
    }

    /// The end that listened.
    pub(super) fn server(stream: TcpStream, identity: &Identity) -> anyhow::Result<Self> {
        let (timed, until) = Timed::new(stream);
        let tls = ServerConnection::new(Arc::clone(&identity.server))?;
        let stream = Box::new(StreamOwned::new(tls, timed));
        Ok(Self { stream, until })
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let bytes = frame.encode().context("a message that is too long")?;
        self.send_bytes(&bytes)
    }

    /// Sends an encoded frame.
    pub(super) fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.until.set(Instant::now() + PATIENCE);
        let sent = self.stream.write_all(bytes);
        // After a failure it says why to the other end.
        let flushed = self.stream.flush();
        sent.and(flushed).map_err(explained)
    }

    /// Receives a frame, which has to be there whole after this time.
    pub(super) fn receive(&mut self, patience: Duration) -> anyhow::Result<Frame> {
        self.until.set(Instant::now() + patience);
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(explained)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            bail!("a message of {length} bytes; at most {LONGEST} are allowed");
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).map_err(explained)?;
        match Frame::decode(&bytes)? {
            Frame::Refused(why) => bail!("refused by the peer: {why}"),
            frame => Ok(frame),
        }
    }
}

/// A stream whose reads and writes end at a time.
struct Timed {
    stream: TcpStream,
    until: Rc<Cell<Instant>>,
}

impl Timed {
    fn new(stream: TcpStream) -> (Self, Rc<Cell<Instant>>) {
        let until = Rc::new(Cell::new(Instant::now() + PATIENCE));
        let timed = Self {
            stream,
            until: Rc::clone(&until),
        };
        (timed, until)
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.get().saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

/// A timeout of a socket is `EAGAIN`, which readers would take for "later".
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::ErrorKind::TimedOut.into()
    } else {
        error
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
