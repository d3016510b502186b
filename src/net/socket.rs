//! A blocking rtnetlink socket: one query at a time.

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    DecodeError, Emitable, ErrorBuffer, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer,
};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::libc;
use socket2::SockRef;

use super::error::{NetError, Question};

/// A socket to rtnetlink, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl RouteSocket {
    /// The kernel answers immediately unless another process holds its lock, for example to add
    /// interfaces.
    const TIME_LIMIT: Duration = Duration::from_secs(10);
    /// Pieces of a dump are as long as the reader's buffer, up to this size (`netlink_dump`,
    /// `netlink_recvmsg`).
    const PIECE: usize = 32 << 10;
    /// How often a list that keeps changing is read.
    const ATTEMPTS: u32 = 3;

    /// # Errors
    /// Any error of `socket`: too many open files, a seccomp filter.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        SockRef::from(&socket).set_read_timeout(Some(Self::TIME_LIMIT))?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(Self::PIECE),
            sequence: 0,
        })
    }

    /// Reads a list: what `decode` makes of each message of type `answer`; `None` marks a message
    /// that cannot be parsed. A list that changed while it was read is read again.
    pub(super) fn dump<T>(
        &mut self,
        question: Question,
        request: &Request<'_>,
        limit: usize,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetError> {
        for _ in 0..Self::ATTEMPTS {
            let mut list = Vec::new();
            let mut steady = true;
            self.send(question, request, NLM_F_REQUEST | NLM_F_DUMP)?;
            let mut done = false;
            while !done {
                self.receive(question, |flags, message| {
                    steady &= flags & NLM_F_DUMP_INTR == 0;
                    match message {
                        Message::Answer(kind, bytes) if kind == request.answer => {
                            if list.len() == limit {
                                return Err(NetError::TooMany { question, limit });
                            }
                            list.push(decode(bytes).ok_or(NetError::Malformed(question))?);
                        }
                        Message::Answer(..) => {}
                        Message::Done => done = true,
                        Message::Error(errno) => {
                            return Err(NetError::Refused { question, errno });
                        }
                    }
                    Ok(())
                })?;
            }
            if steady {
                return Ok(list);
            }
        }
        Err(NetError::Unsteady(question))
    }

    /// Asks for one object; returns its bytes, or the kernel's errno if there is none.
    pub(super) fn ask<T>(
        &mut self,
        question: Question,
        request: &Request<'_>,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Result<T, Errno>, NetError> {
        self.send(question, request, NLM_F_REQUEST)?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(question, |_, message| {
                answer = Some(match message {
                    Message::Answer(kind, bytes) if kind == request.answer => {
                        Ok(decode(bytes).ok_or(NetError::Malformed(question))?)
                    }
                    Message::Error(errno) => Err(errno),
                    Message::Answer(..) | Message::Done => {
                        return Err(NetError::Malformed(question));
                    }
                });
                Ok(())
            })?;
        }
        answer.ok_or(NetError::Malformed(question))
    }

    fn send(
        &mut self,
        question: Question,
        request: &Request<'_>,
        flags: u16,
    ) -> Result<(), NetError> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER + request.body.buffer_len();
        let mut message = vec![0; length];
        request.body.emit(&mut message[HEADER..]);
        let mut header = NetlinkBuffer::new(&mut message);
        header.set_length(u32::try_from(length).unwrap_or(u32::MAX));
        header.set_message_type(request.kind);
        header.set_flags(flags);
        header.set_sequence_number(self.sequence);
        let failed = |source| NetError::Socket { question, source };
        match self.socket.send(&message, 0).map_err(failed)? {
            sent if sent == length => Ok(()),
            _ => Err(failed(io::ErrorKind::WriteZero.into())),
        }
    }

    /// Receives a datagram and returns its messages that answer the last request.
    fn receive(
        &mut self,
        question: Question,
        mut each: impl FnMut(u16, Message<'_>) -> Result<(), NetError>,
    ) -> Result<(), NetError> {
        let failed = |source| NetError::Socket { question, source };
        let (length, sender) = loop {
            self.buffer.clear();
            match self.socket.recv_from(&mut self.buffer, libc::MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(failed)?,
            }
        };
        // Only the kernel has port 0; other processes can send to this socket too.
        if sender.port_number() != 0 {
            return Ok(());
        }
        let mut rest = self
            .buffer
            .get(..length)
            .ok_or(NetError::Malformed(question))?;
        while !rest.is_empty() {
            let malformed = |_| NetError::Malformed(question);
            let message = NetlinkBuffer::new_checked(rest).map_err(malformed)?;
            if message.sequence_number() == self.sequence {
                each(message.flags(), parse(&message).map_err(malformed)?)?;
            }
            let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}

const HEADER: usize = 16;

/// A query: for example `RTM_GETROUTE` with a `struct rtmsg`, answered by `RTM_NEWROUTE`.
pub(super) struct Request<'a> {
    pub(super) kind: u16,
    pub(super) body: &'a dyn Emitable,
    pub(super) answer: u16,
}

enum Message<'a> {
    Answer(u16, &'a [u8]),
    Done,
    Error(Errno),
}

fn parse<'a>(message: &NetlinkBuffer<&'a [u8]>) -> Result<Message<'a>, DecodeError> {
    Ok(match message.message_type() {
        NLMSG_DONE => Message::Done,
        NLMSG_ERROR => {
            let code = ErrorBuffer::new_checked(message.payload())?.code();
            Message::Error(Errno::from_raw(code.map_or(0, |code| -code.get())))
        }
        kind => Message::Answer(kind, message.payload()),
    })
}
