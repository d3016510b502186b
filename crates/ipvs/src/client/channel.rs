//! One request at a time on one transport; answers are matched by sequence number.
//!
//! Invariant: when a method returns, either all answers to its request have been read, or `dirty`
//! is set and the next request first discards the rest.

use std::io;

use crate::error::{DecodeError, Errno, Error, Result};
use crate::operation::{Query, Request};
use crate::transport::{Transport, Wait};
use crate::wire::{Content, Encoder, Message, Messages};

/// Buffer of the main channel: room for 32,256 bytes, the most that the kernel puts into one piece
/// of a dump (`netlink_dump`).
pub(super) const WHOLE_PIECES: usize = 36 * 1024;
/// Buffer of the second channel. The kernel cuts a dump to fit the largest buffer it has seen on
/// the socket, so this channel's pieces end elsewhere; `dump.rs` explains why that matters.
pub(super) const SMALLER_PIECES: usize = 20 * 1024;

/// The most answers to older requests that one exchange skips. A client leaves at most one chunk's
/// worth behind; more cannot come from the kernel.
const MAX_STALE: u32 = 4096;

/// The most pieces of a list: enough for a million servers in the smallest pieces. An endless list
/// cannot come from the kernel.
const MAX_PIECES: u32 = 1 << 17;

#[derive(Debug)]
pub(super) struct Channel<T> {
    transport: T,
    receive: Vec<u8>,
    /// The next sequence number, and the count of those used so far.
    next: u32,
    used: u64,
    dirty: bool,
}

/// The result of waiting for one datagram.
pub(super) enum Received {
    Datagram,
    /// The kernel dropped answers.
    Lost,
    /// No datagram is there.
    Nothing,
}

/// A dump that was read to the end.
pub(super) struct DumpEnd {
    /// The number of datagrams with entries.
    pub(super) pieces: u32,
    /// The length of the last of them, in bytes.
    pub(super) last_piece: usize,
    /// Whether the kernel marked the dump as incomplete.
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

    /// Whether a sequence number was used before.
    fn was_used(&self, sequence: u32) -> bool {
        let age = self.next.wrapping_sub(sequence);
        age != 0 && u64::from(age) <= self.used
    }

    /// Sends the encoder's requests. After an error, none of them was carried out.
    pub(super) fn send(&mut self, encoder: &Encoder) -> io::Result<()> {
        if self.dirty {
            self.read_off();
            self.dirty = false;
        }
        self.transport.send(encoder.as_bytes())
    }

    /// Discards the rest of an interrupted exchange. Reading a piece of a dump makes the kernel
    /// queue the next one, so this also ends a dump. Bounded, since every datagram read here is
    /// stale.
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

    /// The messages of the last datagram, without answers to requests older than `first`.
    ///
    /// An answer to a request that was never made is an error: a peer that sends one cannot be
    /// trusted with the rest.
    pub(super) fn messages(
        &self,
        first: u32,
    ) -> impl Iterator<Item = Result<Message<'_>, DecodeError>> {
        Messages::new(&self.receive).filter_map(move |message| {
            let message = match message {
                Ok(message) => message,
                Err(error) => return Some(Err(error)),
            };
            // `next - 1` is the last number handed out since `first`.
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

    /// Asks a query that one message answers; retries a few times if the answer is lost.
    pub(super) fn query_one<R>(
        &mut self,
        encoder: &mut Encoder,
        query: Query,
        decode: impl Fn(&Content<'_>) -> Result<R, DecodeError>,
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

    /// Returns `None` if the answer was lost.
    fn await_one<R>(
        &mut self,
        request: Request,
        sequence: u32,
        decode: impl Fn(&Content<'_>) -> Result<R, DecodeError>,
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
                    Ok(Content::Nothing) => continue,
                    Ok(Content::Refused(errno)) => Some(Err(Error::refused(request, errno))),
                    Ok(answer) => {
                        Some(decode(&answer).map_err(|source| Error::BadAnswer { request, source }))
                    }
                    Err(source) => Some(Err(Error::BadAnswer { request, source })),
                };
                break;
            }
            if let Some(answer) = found {
                // More may follow an answer that cannot be parsed.
                self.dirty = matches!(answer, Err(Error::BadAnswer { .. }));
                return Ok(Some(answer));
            }
        }
        self.dirty = true;
        Err(self.no_answer(request))
    }

    /// Asks a query that a dump answers, and hands each entry to `entry`. Returns `None` if part of
    /// the dump was lost: the caller must then discard the entries.
    ///
    /// An entry that cannot be parsed makes the call fail, but only after the whole dump was read;
    /// otherwise the next dump would be refused with `EBUSY`.
    pub(super) fn query_dump(
        &mut self,
        encoder: &mut Encoder,
        query: Query,
        mut entry: impl FnMut(&Content<'_>) -> Result<(), DecodeError>,
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
                        // The rest of the datagram cannot be framed; the end of the dump may be in
                        // it.
                        finished = Some(None);
                        break;
                    }
                };
                end.interrupted |= message.interrupted;
                match message.answer {
                    Content::Nothing => {}
                    Content::Refused(errno) | Content::Done(Some(errno)) => {
                        finished = Some(Some(errno));
                    }
                    Content::Done(None) => finished = Some(None),
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

/// How often a query is retried after its answer was dropped because the receive buffer was full.
pub(super) const MAX_LOST: u32 = 8;
