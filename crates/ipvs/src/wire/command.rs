//! Commands and their top-level attributes: the message for each operation or query.

use netlink_packet_core::{Emitable, Nla};

use super::attribute::{emit_nest, nest_len};
use super::daemon::{self, DaemonAttr};
use super::server::{self, ServerAttr};
use super::service::{self, ServiceAttr};
use super::settings::Number;
use crate::operation::{Operation, Query};

pub(super) const SERVICE: u16 = 1;
pub(super) const DEST: u16 = 2;
pub(super) const DAEMON: u16 = 3;
pub(super) const TIMEOUT_TCP: u16 = 4;
pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
pub(super) const TIMEOUT_UDP: u16 = 6;

/// `IPVS_CMD_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the uapi header's names, in Rust's spelling")]
#[repr(u8)]
pub enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    NewDaemon = 9,
    DelDaemon = 10,
    GetDaemon = 11,
    SetConfig = 12,
    GetConfig = 13,
    SetInfo = 14,
    GetInfo = 15,
    Zero = 16,
    Flush = 17,
}

impl Command {
    const ALL: [Self; 17] = [
        Self::NewService,
        Self::SetService,
        Self::DelService,
        Self::GetService,
        Self::NewDest,
        Self::SetDest,
        Self::DelDest,
        Self::GetDest,
        Self::NewDaemon,
        Self::DelDaemon,
        Self::GetDaemon,
        Self::SetConfig,
        Self::GetConfig,
        Self::SetInfo,
        Self::GetInfo,
        Self::Zero,
        Self::Flush,
    ];

    /// The number in the message.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The command with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|command| command.number() == number)
    }
}

/// A top-level attribute, `IPVS_CMD_ATTR_*`.
pub(super) enum CommandAttr {
    Service(Vec<ServiceAttr>),
    Server(Vec<ServerAttr>),
    Daemon(Vec<DaemonAttr>),
    Number(Number),
}

impl Nla for CommandAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::Service(attrs) => nest_len(attrs),
            Self::Server(attrs) => nest_len(attrs),
            Self::Daemon(attrs) => nest_len(attrs),
            Self::Number(number) => number.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Service(_) => SERVICE,
            Self::Server(_) => DEST,
            Self::Daemon(_) => DAEMON,
            Self::Number(number) => number.kind(),
        }
    }

    // Sets NLA_F_NESTED in the type. IPVS does not require it; programs that read a capture do.
    fn is_nested(&self) -> bool {
        !matches!(self, Self::Number(_))
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Service(attrs) => emit_nest(attrs, buffer),
            Self::Server(attrs) => emit_nest(attrs, buffer),
            Self::Daemon(attrs) => emit_nest(attrs, buffer),
            Self::Number(number) => number.emit_value(buffer),
        }
    }
}

/// Appends attributes to a message.
pub(super) fn append<T: Nla>(attributes: &[T], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + attributes.buffer_len(), 0);
    attributes.emit(&mut out[start..]);
}

/// The command for an operation, and its attributes.
pub(super) fn operation(operation: &Operation) -> (Command, Vec<CommandAttr>) {
    let whole = |service| CommandAttr::Service(service::attrs(service));
    let of = |key| CommandAttr::Service(service::key_attrs(key));
    match operation {
        Operation::AddService(service) => (Command::NewService, vec![whole(service)]),
        Operation::UpdateService(service) => (Command::SetService, vec![whole(service)]),
        Operation::DeleteService(key) => (Command::DelService, vec![of(key)]),
        Operation::AddServer(key, server) => (
            Command::NewDest,
            vec![of(key), CommandAttr::Server(server::attrs(server))],
        ),
        Operation::UpdateServer(key, server) => (
            Command::SetDest,
            vec![of(key), CommandAttr::Server(server::attrs(server))],
        ),
        Operation::DeleteServer(key, server) => (
            Command::DelDest,
            vec![of(key), CommandAttr::Server(server::key_attrs(server))],
        ),
        Operation::ZeroService(key) => (Command::Zero, vec![of(key)]),
        Operation::ZeroAll => (Command::Zero, vec![]),
        Operation::Flush => (Command::Flush, vec![]),
        Operation::SetTimeouts(timeouts) => {
            let numbers = [
                (TIMEOUT_TCP, timeouts.tcp),
                (TIMEOUT_TCP_FIN, timeouts.tcp_fin),
                (TIMEOUT_UDP, timeouts.udp),
            ];
            let attr = |(kind, value)| CommandAttr::Number(Number { kind, value });
            (Command::SetConfig, numbers.map(attr).into())
        }
        Operation::StartDaemon(daemon) => (
            Command::NewDaemon,
            vec![CommandAttr::Daemon(daemon::attrs(daemon))],
        ),
        Operation::StopDaemon(role) => (
            Command::DelDaemon,
            vec![CommandAttr::Daemon(daemon::stop_attrs(*role))],
        ),
    }
}

/// The command for a query, and its attributes; `None` for a query to the controller.
pub(super) fn query(query: &Query) -> Option<(Command, Vec<CommandAttr>)> {
    let of = |key| vec![CommandAttr::Service(service::key_attrs(key))];
    Some(match query {
        Query::Family => return None,
        Query::Info => (Command::GetInfo, vec![]),
        Query::Services => (Command::GetService, vec![]),
        Query::Service(key) => (Command::GetService, of(key)),
        Query::Servers(key) => (Command::GetDest, of(key)),
        Query::Daemons => (Command::GetDaemon, vec![]),
        Query::Timeouts => (Command::GetConfig, vec![]),
    })
}

/// The contents of the first attribute of this type, for replies that have one.
fn nest<'a>(
    payload: &'a [u8],
    kind: u16,
    what: &'static str,
) -> Result<&'a [u8], super::DecodeError> {
    for raw in super::attribute::attributes(payload, what) {
        let raw = raw?;
        if raw.kind == kind {
            return Ok(raw.value);
        }
    }
    Err(super::DecodeError::Missing { what })
}

/// The service's nest in a reply.
pub(super) fn service_nest(payload: &[u8]) -> Result<&[u8], super::DecodeError> {
    nest(payload, SERVICE, "the service")
}

/// The server's nest in a reply.
pub(super) fn server_nest(payload: &[u8]) -> Result<&[u8], super::DecodeError> {
    nest(payload, DEST, "the real server")
}

/// The daemon's nest in a reply.
pub(super) fn daemon_nest(payload: &[u8]) -> Result<&[u8], super::DecodeError> {
    nest(payload, DAEMON, "the sync daemon")
}
