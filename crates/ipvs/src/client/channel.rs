//! One request after the other on one transport, answers matched by sequence number.
//!
//! Invariant: when a method returns, nothing that it asked for is still to come, or `dirty` is
//! set and the next request first reads off what is left.

use std::io;

use crate::error::{DecodeError, Errno, Error, Result};
use crate::operation::{Query, Request};
use crate::transport::{Transport, Wait};
use crate::wire::{Answer, Encoder, Message, Messages};

/// Buffer for the main channel: room for the 32,256 bytes that the kernel puts at most into one
/// piece of a dump (`netlink_dump`).
pub(super) const WHOLE_PIECES: usize = 36 * 1024;
/// Buffer for the second channel. The kernel cuts a dump to fit the largest buffer it has seen on
/// the socket, so here the cuts lie elsewhere; see `dump.rs` for why that matters.
pub(super) const SMALLER_PIECES: usize = 20 * 1024;

/// How many answers to older requests are passed over in one exchange. A client leaves at most
/// one chunk's worth behind; more is not the kernel speaking.
const MAX_STALE: u32 = 4096;

/// In how many pieces a list may come: a million servers in the smallest of pieces. A list without
/// end is not the kernel speaking either.
const MAX_PIECES: u32 = 1 << 17;

#[derive(Debug)]
pub(super) struct Channel<T> {
    transport: T,
    receive: Vec<u8>,
    /// The next sequence number, and how many were used so far.
    next: u32,
    used: u64,
    dirty: bool,
}

/// What became of waiting for one datagram.
pub(super) enum Received {
    /// One came in.
    Datagram,
    /// The kernel dropped answers.
    Lost,
    /// None is there.
    Nothing,
}

/// A dump that was read to its end.
pub(super) struct DumpEnd {
    /// In how many datagrams with entries it came.
    pub(super) pieces: u32,
    /// How many bytes the last of them had.
    pub(super) last_piece: usize,
    /// Whether the kernel itself said that it is not whole.
    pub(super) interrupted: bool,
}

impl<T: Transport> Channel<T> {
    pub(super) fn new(transport: T, buffer: usize) -> Self {
        Self {
            transport,
            receive: Vec::with_capacity(buffer),
            next: 1,
            used: 0,
            dirty: false,
        }
    }

    pub(super) fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) fn transport_mut(&mut self) -> &mut T {
        &mut self.transport
    }

    /// A fresh sequence number.
    pub(super) fn sequence(&mut self) -> u32 {
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        self.used += 1;
        sequence
    }

    /// Whether a sequence number was handed out before.
    fn was_used(&self, sequence: u32) -> bool {
        let age = self.next.wrapping_sub(sequence);
        age != 0 && u64::from(age) <= self.used
    }

    /// Sends what the encoder holds. After an error nothing of it was carried out.
    pub(super) fn send(&mut self, encoder: &Encoder) -> io::Result<()> {
        if self.dirty {
            self.read_off();
            self.dirty = false;
        }
        self.transport.send(encoder.as_bytes())
    }

    /// Reads what is left of an exchange that broke off; each piece read of a dump makes the
    /// kernel queue the next, so this also ends one. Bounded, as whatever comes is then stale.
    fn read_off(&mut self) {
        for _ in 0..MAX_STALE {
            match self.transport.receive(&mut self.receive, Wait::Poll) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Waits for a datagram.
    pub(super) fn receive(&mut self, request: Request, wait: Wait) -> Result<Received> {
        match self.transport.receive(&mut self.receive, wait) {
            Ok(length) if length > self.receive.len() => {
                self.dirty = true;
                Err(Error::BadAnswer {
                    request,
                    source: DecodeError::Truncated { length },
                })
            }
            Ok(_) => Ok(Received::Datagram),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS.0) => Ok(Received::Lost),
            Err(source) => {
                self.dirty = true;
                Err(Error::socket(request, source))
            }
        }
    }

    /// The messages of the datagram that came last, those left out that answer requests older
    /// than `first`.
    ///
    /// An answer to a request that was never made is an error: whoever sends such things cannot
    /// be believed in the rest.
    pub(super) fn messages(
        &self,
        first: u32,
    ) -> impl Iterator<Item = Result<Message<'_>, DecodeError>> {
        Messages::new(&self.receive).filter_map(move |message| {
            let message = match message {
                Ok(message) => message,
                Err(error) => return Some(Err(error)),
            };
            // Of the range handed out since `first`, the last is `next - 1`.
            let range = self.next.wrapping_sub(first);
            if message.sequence.wrapping_sub(first) < range {
                Some(Ok(message))
            } else if self.was_used(message.sequence) {
                None
            } else {
                Some(Err(DecodeError::Sequence {
                    found: message.sequence,
                }))
            }
        })
    }

    pub(super) fn set_dirty(&mut self) {
        self.dirty = true;
    }

    pub(super) fn no_answer(&self, request: Request) -> Error {
        Error::NoAnswer {
            request,
            seconds: self.transport.time_limit().as_secs(),
        }
    }

    /// Asks a query that one message answers. Asked again, a few times, when the answer is lost.
    pub(super) fn query_one<R>(
        &mut self,
        encoder: &mut Encoder,
        query: Query,
        decode: impl Fn(&Answer<'_>) -> Result<R, DecodeError>,
    ) -> Result<R> {
        let request = Request::Query(query);
        for _ in 0..MAX_LOST {
            let sequence = self.ask(encoder, query)?;
            if let Some(answer) = self.await_one(request, sequence, &decode)? {
                return answer;
            }
        }
        Err(Error::AnswerLost { request })
    }

    fn ask(&mut self, encoder: &mut Encoder, query: Query) -> Result<u32> {
        let sequence = self.sequence();
        encoder.clear();
        encoder.query(&query, sequence);
        self.send(encoder)
            .map_err(|source| Error::socket(query.into(), source))?;
        Ok(sequence)
    }

    /// `None` when the answer was lost.
    fn await_one<R>(
        &mut self,
        request: Request,
        sequence: u32,
        decode: impl Fn(&Answer<'_>) -> Result<R, DecodeError>,
    ) -> Result<Option<Result<R>>> {
        for _ in 0..MAX_STALE {
            match self.receive(request, Wait::Block)? {
                Received::Datagram => {}
                Received::Lost => {
                    self.dirty = true;
                    return Ok(None);
                }
                Received::Nothing => {
                    self.dirty = true;
                    return Err(self.no_answer(request));
                }
            }
            let mut found = None;
            for message in self.messages(sequence) {
                found = match message.map(|message| message.answer) {
                    Ok(Answer::Nothing) => continue,
                    Ok(Answer::Refused(errno)) => Some(Err(Error::refused(request, errno))),
                    Ok(answer) => {
                        Some(decode(&answer).map_err(|source| Error::BadAnswer { request, source }))
                    }
                    Err(source) => Some(Err(Error::BadAnswer { request, source })),
                };
                break;
            }
            if let Some(answer) = found {
                // What was not understood may have more behind it.
                self.dirty = matches!(answer, Err(Error::BadAnswer { .. }));
                return Ok(Some(answer));
            }
        }
        self.dirty = true;
        Err(self.no_answer(request))
    }

    /// Asks a query that a dump answers and hands each entry to `entry`. `None` when a part of
    /// it was lost: what was handed over is then to be thrown away.
    ///
    /// An entry that cannot be understood ends the call, but only after the dump was read to its
    /// end, so that the next one is not refused with `EBUSY`.
    pub(super) fn query_dump(
        &mut self,
        encoder: &mut Encoder,
        query: Query,
        mut entry: impl FnMut(&Answer<'_>) -> Result<(), DecodeError>,
    ) -> Result<Option<DumpEnd>> {
        let request = Request::Query(query);
        let sequence = self.ask(encoder, query)?;
        let mut end = DumpEnd {
            pieces: 0,
            last_piece: 0,
            interrupted: false,
        };
        let mut broken = None;
        let mut idle = 0;
        while idle < MAX_STALE {
            if end.pieces > MAX_PIECES {
                self.dirty = true;
                let what = "a list that does not end".to_owned();
                let source = DecodeError::Unexpected { what };
                return Err(Error::BadAnswer { request, source });
            }
            match self.receive(request, Wait::Block)? {
                Received::Datagram => {}
                Received::Lost => {
                    self.dirty = true;
                    return Ok(None);
                }
                Received::Nothing => {
                    self.dirty = true;
                    return Err(self.no_answer(request));
                }
            }
            let (mut entries, mut finished) = (0u32, None);
            for message in self.messages(sequence) {
                let message = match message {
                    Ok(message) => message,
                    Err(source) => {
                        broken.get_or_insert(source);
                        // The rest of the datagram has lost its frame; the end may be in it.
                        finished = Some(None);
                        break;
                    }
                };
                end.interrupted |= message.interrupted;
                match message.answer {
                    Answer::Nothing => {}
                    Answer::Refused(errno) | Answer::Done(Some(errno)) => {
                        finished = Some(Some(errno));
                    }
                    Answer::Done(None) => finished = Some(None),
                    answer => {
                        entries += 1;
                        if broken.is_none() {
                            broken = entry(&answer).err();
                        }
                    }
                }
            }
            if entries > 0 {
                end.pieces += 1;
                end.last_piece = self.receive.len();
                idle = 0;
            } else {
                idle += 1;
            }
            if let Some(errno) = finished {
                if let Some(source) = broken {
                    self.dirty = true;
                    return Err(Error::BadAnswer { request, source });
                }
                return match errno {
                    Some(errno) => Err(Error::refused(request, errno)),
                    None => Ok(Some(end)),
                };
            }
        }
        self.dirty = true;
        Err(self.no_answer(request))
    }
}

/// How often a query is asked anew when its answer was lost for want of buffer space.
pub(super) const MAX_LOST: u32 = 8;
