//! A transport that answers from a script, repeatedly.

use std::io;
use std::time::Duration;

use ipvs::transport::{Transport, Wait};

/// One receive result.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Datagram(Vec<u8>),
    Errno(i32),
    Nothing,
}

/// Returns the script's lines in turn for a number of rounds, then nothing.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    lines: Vec<Line>,
    rounds: usize,
    next: usize,
    /// How often the client asked for a datagram.
    pub(crate) received: usize,
}

impl Scripted {
    pub(crate) fn new(lines: Vec<Line>, rounds: usize) -> Self {
        Self {
            lines,
            rounds,
            next: 0,
            received: 0,
        }
    }
}

impl Transport for Scripted {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, _: Wait) -> io::Result<usize> {
        buffer.clear();
        self.received += 1;
        let place = self.next;
        self.next += 1;
        if self.lines.is_empty() || place / self.lines.len() >= self.rounds {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match &self.lines[place % self.lines.len()] {
            Line::Datagram(bytes) => {
                let fits = bytes.len().min(buffer.capacity());
                buffer.extend_from_slice(&bytes[..fits]);
                Ok(bytes.len())
            }
            Line::Errno(errno) => Err(io::Error::from_raw_os_error(*errno)),
            Line::Nothing => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn acknowledgement_room(&self) -> usize {
        277
    }

    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }

    fn second(&self) -> io::Result<Option<Self>> {
        Ok(Some(self.clone()))
    }
}
