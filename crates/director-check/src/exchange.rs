//! An HTTP check on its connection, a system call for each step: send, receive, and no more.
//!
//! ```text
//!   connected ──► send(2) ──► recv(2) ... ──► judged
//!                    │ fails: what the server said before is the answer all the same
//! ```
//!
//! The request is made when the connection stands and let go when it is sent, and bytes are received into one
//! buffer for all: a check that waits holds its connection and some two hundred bytes.

use std::io::{self, Read};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use socket2::Socket;
use std::os::fd::AsRawFd;

use super::Target;
use super::failure::{Failure, Passed};
use super::kind::http::{Answer, request, simple};
use super::kind::{CONNECTING, Patterns};
use super::net::Way;

/// What is received with one system call, at most.
pub(super) const PIECE: usize = 16 << 10;

/// How many pieces of one answer are received before others get their turn.
const TURN: usize = 8;

/// An exchange of a request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    target: Arc<Target>,
    step: Step,
    answer: Answer,
}

#[derive(Debug)]
enum Step {
    /// Nothing was sent.
    Connecting,
    /// This is what is left of the request.
    Sending(Vec<u8>),
    /// All was sent, or no more of it can be: why.
    Sent(Option<io::Error>),
}

impl Exchange {
    pub(super) fn new(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            step: Step::Connecting,
            answer: Answer::default(),
        }
    }

    /// What is done, for the report when time runs out.
    pub(super) fn stage(&self) -> &'static str {
        match self.step {
            Step::Connecting => CONNECTING,
            _ => self.answer.stage(),
        }
    }

    /// Whether it waits for room to send.
    pub(super) const fn wants_to_send(&self) -> bool {
        !matches!(self.step, Step::Sent(_))
    }

    /// Whether it waits for bytes.
    pub(super) const fn wants_to_hear(&self) -> bool {
        !matches!(self.step, Step::Connecting)
    }

    /// Goes on as far as it can without waiting. Returns how it ended, if it did.
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
            let request = request(spec, Way::to(&target).to)?;
            self.step = Step::Sending(request);
            self.send(socket);
            // The answer is not there yet; only what went wrong is.
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

    /// Sends what there is room for.
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
