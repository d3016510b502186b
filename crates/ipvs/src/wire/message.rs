//! Whole messages: requests into one buffer, and a received datagram into messages.

use netlink_packet_core::{
    Emitable, ErrorBuffer, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer, NetlinkHeader, Nla,
};
use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::{CTRL_CMD_GETFAMILY, GENL_HDRLEN, GENL_ID_CTRL};

use super::command::{self, Command, append, daemon_nest, server_nest, service_nest};
use super::family::FamilyName;
use super::{DecodeError, decode_daemon, decode_server, decode_service};
use crate::error::Errno;
use crate::model::{Family, ServerEntry, ServiceEntry, SyncDaemon};
use crate::operation::{Operation, Query};

/// `IPVS_GENL_VERSION`.
const VERSION: u8 = 1;
/// The controller's version; it accepts 1 and 2 alike.
const CTRL_VERSION: u8 = 2;
const HEADER: usize = 16;

/// Packs requests into one buffer.
///
/// ```
/// use ipvs::wire::Encoder;
/// use ipvs::{Operation, Query};
///
/// let mut encoder = Encoder::new(0x1c);
/// encoder.operation(&Operation::Flush, 1, true);
/// encoder.query(&Query::Services, 2);
/// assert_eq!(encoder.as_bytes().len(), 20 + 20);
/// ```
#[derive(Debug, Clone)]
pub struct Encoder {
    family: u16,
    buffer: Vec<u8>,
}

impl Encoder {
    /// An encoder for a kernel in which IPVS has this generic netlink family number.
    #[must_use]
    pub const fn new(family: u16) -> Self {
        Self {
            family,
            buffer: Vec::new(),
        }
    }

    /// The family number that the requests carry.
    #[must_use]
    pub const fn family(&self) -> u16 {
        self.family
    }

    /// Sets another family number, as after a reload of the module.
    pub const fn set_family(&mut self, family: u16) {
        self.family = family;
    }

    /// The requests so far, as one datagram.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Drops the requests and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Appends an operation. The kernel always answers a failure, and a success only with `ack`.
    pub fn operation(&mut self, operation: &Operation, sequence: u32, ack: bool) {
        let (command, attributes) = command::operation(operation);
        let flags = if ack {
            NLM_F_REQUEST | NLM_F_ACK
        } else {
            NLM_F_REQUEST
        };
        self.ipvs(command, &attributes, flags, sequence);
    }

    /// Appends an empty message (`NLMSG_NOOP`) that asks for an acknowledgement. The kernel answers
    /// in order, so the acknowledgement means that all messages before it were carried out or
    /// refused.
    pub fn barrier(&mut self, sequence: u32) {
        let flags = NLM_F_REQUEST | NLM_F_ACK;
        append_message(NLMSG_NOOP, flags, sequence, &mut self.buffer, |_| {});
    }

    /// Appends a query. A dump ends by itself; other queries get one message.
    pub fn query(&mut self, query: &Query, sequence: u32) {
        let flags = if query.is_dump() {
            NLM_F_REQUEST | NLM_F_DUMP
        } else {
            NLM_F_REQUEST
        };
        match command::query(query) {
            Some((command, attributes)) => self.ipvs(command, &attributes, flags, sequence),
            None => self.append(
                GENL_ID_CTRL,
                GenlHeader {
                    cmd: CTRL_CMD_GETFAMILY,
                    version: CTRL_VERSION,
                },
                &[FamilyName],
                flags,
                sequence,
            ),
        }
    }

    fn ipvs<T: Nla>(&mut self, command: Command, attributes: &[T], flags: u16, sequence: u32) {
        let header = GenlHeader {
            cmd: command.number(),
            version: VERSION,
        };
        self.append(self.family, header, attributes, flags, sequence);
    }

    fn append<T: Nla>(
        &mut self,
        message_type: u16,
        header: GenlHeader,
        attributes: &[T],
        flags: u16,
        sequence: u32,
    ) {
        append_message(message_type, flags, sequence, &mut self.buffer, |buffer| {
            let start = buffer.len();
            buffer.resize(start + GENL_HDRLEN, 0);
            header.emit(&mut buffer[start..]);
            append(attributes, buffer);
        });
    }
}

/// Appends a message whose payload `write` appends; attributes keep it aligned to 4 bytes.
fn append_message(
    message_type: u16,
    flags: u16,
    sequence: u32,
    buffer: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = buffer.len();
    buffer.resize(start + HEADER, 0);
    write(buffer);
    let length = buffer.len() - start;
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(length).expect("a request is a few hundred bytes long");
    header.message_type = message_type;
    header.flags = flags;
    header.sequence_number = sequence;
    header.emit(&mut buffer[start..]);
}

/// The messages in a datagram from the kernel, in order.
///
/// Accepts any bytes: a truncated message yields an error and ends the iteration.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// The messages in these bytes.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let buffer = match NetlinkBuffer::new_checked(self.rest) {
            Ok(buffer) => buffer,
            Err(error) => {
                self.rest = &[];
                let detail = error.to_string();
                return Some(Err(DecodeError::Malformed {
                    what: "a message's header",
                    detail,
                }));
            }
        };
        let length = usize::try_from(buffer.length()).unwrap_or(usize::MAX);
        // The last message need not be padded.
        let next = length.next_multiple_of(4).min(self.rest.len());
        let payload = buffer.payload();
        self.rest = &self.rest[next..];
        Some(Message::parse(&buffer, payload))
    }
}

/// A message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The sequence number of the answered request.
    pub sequence: u32,
    /// Whether the table changed during this dump (`NLM_F_DUMP_INTR`). IPVS never sets it; other
    /// families do.
    pub interrupted: bool,
    /// The content of the message.
    pub answer: Content<'a>,
}

/// The content of a message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// The kernel carried out the request.
    Ack,
    /// The kernel refused the request.
    Refused(Errno),
    /// The end of a dump: complete (`None`), or aborted by an error.
    Done(Option<Errno>),
    /// A reply, or one entry of a dump: the generic netlink command and the attributes.
    Reply {
        /// The generic netlink command's number.
        command: u8,
        /// The attributes behind the headers.
        payload: &'a [u8],
    },
    /// Netlink's own messages without content.
    Nothing,
}

impl<'a> Message<'a> {
    fn parse(buffer: &NetlinkBuffer<&'a [u8]>, payload: &'a [u8]) -> Result<Self, DecodeError> {
        let answer = match buffer.message_type() {
            NLMSG_ERROR => {
                let error = ErrorBuffer::new_checked(payload).map_err(|_| DecodeError::Short {
                    what: "an acknowledgement",
                    length: payload.len(),
                    needed: 4,
                })?;
                match error.code() {
                    None => Content::Ack,
                    Some(code) => Content::Refused(errno(code.get())),
                }
            }
            // All kernels send a code; without one the dump just ends.
            NLMSG_DONE => Content::Done(
                payload
                    .first_chunk()
                    .map(|code| i32::from_ne_bytes(*code))
                    .filter(|code| *code < 0)
                    .map(errno),
            ),
            NLMSG_NOOP | NLMSG_OVERRUN => Content::Nothing,
            _ => {
                let header = GenlHeader::parse(payload).map_err(|_| DecodeError::Short {
                    what: "the generic netlink header",
                    length: payload.len(),
                    needed: GENL_HDRLEN,
                })?;
                Content::Reply {
                    command: header.cmd,
                    payload: &payload[GENL_HDRLEN..],
                }
            }
        };
        Ok(Self {
            sequence: buffer.sequence_number(),
            interrupted: buffer.flags() & NLM_F_DUMP_INTR != 0,
            answer,
        })
    }
}

/// Netlink carries errnos negated.
fn errno(code: i32) -> Errno {
    Errno(code.checked_abs().unwrap_or(i32::MAX))
}

impl Content<'_> {
    /// The payload of a reply with this command.
    ///
    /// # Errors
    /// [`DecodeError::Unexpected`] for any other answer.
    pub fn payload(&self, expected: Command) -> Result<&[u8], DecodeError> {
        match self {
            Self::Reply { command, payload } if *command == expected.number() => Ok(payload),
            other => Err(other.unexpected()),
        }
    }

    /// The service in a reply to [`Query::Service`] or [`Query::Services`].
    ///
    /// # Errors
    /// [`DecodeError`] if it is another reply or cannot be parsed.
    pub fn service(&self) -> Result<ServiceEntry, DecodeError> {
        decode_service(service_nest(self.payload(Command::NewService)?)?)
    }

    /// The server in a reply to [`Query::Servers`], for a service of this family.
    ///
    /// # Errors
    /// [`DecodeError`] if it is another reply or cannot be parsed.
    pub fn server(&self, service: Family) -> Result<ServerEntry, DecodeError> {
        decode_server(server_nest(self.payload(Command::NewDest)?)?, service)
    }

    /// The daemon in a reply to [`Query::Daemons`].
    ///
    /// # Errors
    /// [`DecodeError`] if it is another reply or cannot be parsed.
    pub fn daemon(&self) -> Result<SyncDaemon, DecodeError> {
        decode_daemon(daemon_nest(self.payload(Command::NewDaemon)?)?)
    }

    /// The error for an answer of the wrong type.
    pub(crate) fn unexpected(&self) -> DecodeError {
        let what = match self {
            Self::Ack => "an acknowledgement".to_owned(),
            Self::Refused(errno) => format!("the error {errno}"),
            Self::Done(_) => "the end of a dump".to_owned(),
            Self::Reply { command, .. } => format!("a message with command {command}"),
            Self::Nothing => "an empty message".to_owned(),
        };
        DecodeError::Unexpected { what }
    }
}

/// Appends an acknowledgement, as `netlink_ack` does with `NETLINK_CAP_ACK`.
#[cfg(feature = "fake")]
pub(crate) fn append_ack(
    sequence: u32,
    errno: Option<Errno>,
    request_header: &[u8],
    out: &mut Vec<u8>,
) {
    append_message(NLMSG_ERROR, 0, sequence, out, |buffer| {
        let code = errno.map_or(0, |errno| errno.0.wrapping_neg());
        buffer.extend_from_slice(&code.to_ne_bytes());
        buffer.extend_from_slice(request_header);
    });
}

/// Appends the end of a dump, as `netlink_dump_done` does.
#[cfg(feature = "fake")]
pub(crate) fn append_done(sequence: u32, out: &mut Vec<u8>) {
    append_message(
        NLMSG_DONE,
        netlink_packet_core::NLM_F_MULTIPART,
        sequence,
        out,
        |buffer| {
            buffer.extend_from_slice(&0i32.to_ne_bytes());
        },
    );
}

/// Appends a reply of the IPVS family, its attributes written by `write`.
#[cfg(feature = "fake")]
pub(crate) fn append_reply(
    family: u16,
    command: u8,
    sequence: u32,
    part_of_dump: bool,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let flags = if part_of_dump {
        netlink_packet_core::NLM_F_MULTIPART
    } else {
        0
    };
    append_message(family, flags, sequence, out, |buffer| {
        let start = buffer.len();
        buffer.resize(start + GENL_HDRLEN, 0);
        GenlHeader {
            cmd: command,
            version: VERSION,
        }
        .emit(&mut buffer[start..]);
        write(buffer);
    });
}
