//! An HTTP check on its connection, with one system call per step: send, receive.
//!
//! ```text
//!   connected ──► send(2) ──► recv(2) ... ──► judged
//!                    │ fails: what the server said before is the answer all the same
//! ```
//!
//! The request is built once connected and dropped once sent, and all checks share one receive
//! buffer: a waiting check only holds its connection and some two hundred bytes.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use socket2::Socket;
use std::os::fd::AsRawFd;

use super::Target;
use super::failure::{Failure, Passed};
use super::kind::http::{Response, request, simple};
use super::kind::{CONNECTING, Patterns};

/// The most bytes received in one system call.
pub(super) const PIECE: usize = 16 << 10;

/// The number of pieces received from one answer before others get their turn.
const TURN: usize = 8;

/// An exchange of a request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    target: Arc<Target>,
    step: Step,
    answer: Response,
}

#[derive(Debug)]
enum Step {
    /// Nothing was sent.
    Connecting,
    /// The rest of the request.
    Sending(Vec<u8>),
    /// Everything was sent, or sending failed with this error.
    Sent(Option<io::Error>),
}

impl Exchange {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            step: Step::Connecting,
            answer: Response::default(),
        }
    }

    /// The current step, for the message of a timeout.
    pub(super) fn stage(&self) -> &'static str {
        match self.step {
            Step::Connecting => CONNECTING,
            _ => self.answer.stage(),
        }
    }

    /// Whether it waits to send.
    pub(super) const fn wants_to_send(&self) -> bool {
        !matches!(self.step, Step::Sent(_))
    }

    /// Whether it waits to receive.
    pub(super) const fn wants_to_hear(&self) -> bool {
        !matches!(self.step, Step::Connecting)
    }

    /// Advances as far as possible without blocking. Returns the result if it finished.
    pub(super) fn go_on(
        &mut self,
        socket: &Socket,
        piece: &mut [u8],
        patterns: &Patterns,
    ) -> Option<Result<Passed, Failure>> {
        self.advance(socket, piece, patterns).transpose()
    }

    fn advance(
        &mut self,
        socket: &Socket,
        piece: &mut [u8],
        patterns: &Patterns,
    ) -> Result<Option<Passed>, Failure> {
        let target = Arc::clone(&self.target);
        let Some(spec) = simple(&target.spec) else {
            return Err(Failure::ours("no HTTP check".to_owned()));
        };
        if matches!(self.step, Step::Connecting) {
            let request = request(spec, SocketAddr::new(target.address, target.port))?;
            self.step = Step::Sending(request);
            self.send(socket);
            // The answer has not arrived; only an error can end it.
            if matches!(self.step, Step::Sending(_) | Step::Sent(None)) {
                return Ok(None);
            }
        }
        self.send(socket);
        for _ in 0..TURN {
            let mut socket = socket;
            match socket.read(piece) {
                Ok(0) => {
                    let broken = self.broken();
                    self.answer.ended(spec, None, broken)?;
                    break;
                }
                Ok(number) => {
                    self.answer
                        .hear(spec, &piece[..number])
                        .map_err(Failure::new)?;
                    if self.answer.is_complete() || number < piece.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let broken = self.broken();
                    self.answer.ended(spec, Some(error), broken)?;
                    break;
                }
            }
        }
        if self.answer.is_complete() {
            return self.answer.judge(spec, patterns).map(Some);
        }
        Ok(None)
    }

    /// Sends as much as fits.
    fn send(&mut self, socket: &Socket) {
        while let Step::Sending(request) = &mut self.step {
            match send(socket.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL) {
                Ok(number) if number >= request.len() => self.step = Step::Sent(None),
                Ok(number) => drop(request.drain(..number)),
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                Err(errno) => self.step = Step::Sent(Some(errno.into())),
            }
        }
    }

    fn broken(&mut self) -> Option<io::Error> {
        match &mut self.step {
            Step::Sent(broken) => broken.take(),
            _ => None,
        }
    }
}
