//! Decodes requests as the kernel does in `ip_vs_genl_parse_*`. For the in-memory kernel only.

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NetlinkBuffer};
use netlink_packet_generic::GenlHeader;
use netlink_packet_generic::constants::{CTRL_CMD_GETFAMILY, GENL_HDRLEN, GENL_ID_CTRL};

use super::attribute::{self, attributes};
use super::command::{Command, DAEMON, DEST, SERVICE, TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP};
use super::{DecodeError, daemon, server, service};
use crate::error::Errno;
use crate::model::{Family, Timeouts};
use crate::operation::{Operation, Query, Request};

/// One received request.
pub(crate) struct Asked<'a> {
    pub(crate) sequence: u32,
    pub(crate) family: u16,
    pub(crate) ack: bool,
    /// The first 16 bytes, which the acknowledgement repeats.
    pub(crate) header: &'a [u8],
    /// The request, `None` for netlink's own messages, or the errno for a malformed one.
    pub(crate) request: Result<Option<Request>, Errno>,
}

/// Decodes the first request and returns its length, including padding.
pub(crate) fn decode_request(bytes: &[u8]) -> Result<(Asked<'_>, usize), DecodeError> {
    let malformed = |detail: String| DecodeError::Malformed {
        what: "a request",
        detail,
    };
    let buffer = NetlinkBuffer::new_checked(bytes).map_err(|error| malformed(error.to_string()))?;
    let payload = buffer.payload();
    let length = 16 + payload.len();
    let asked = |request| Asked {
        sequence: buffer.sequence_number(),
        family: buffer.message_type(),
        ack: buffer.flags() & NLM_F_ACK != 0,
        header: &bytes[..16],
        request,
    };
    let length = length.next_multiple_of(4).min(bytes.len());
    // Below NLMSG_MIN_TYPE.
    if buffer.message_type() < 16 {
        return Ok((asked(Ok(None)), length));
    }
    let genl = GenlHeader::parse(payload).map_err(|error| malformed(error.to_string()))?;
    let attributes = &payload[GENL_HDRLEN..];
    let dump = buffer.flags() & NLM_F_DUMP == NLM_F_DUMP;
    let request = if buffer.message_type() == GENL_ID_CTRL {
        if genl.cmd == CTRL_CMD_GETFAMILY {
            Ok(Query::Family.into())
        } else {
            Err(Errno::EOPNOTSUPP)
        }
    } else {
        Command::from_number(genl.cmd)
            .ok_or(Errno::EOPNOTSUPP)
            .and_then(|command| body(command, attributes, dump))
    };
    Ok((asked(request.map(Some)), length))
}

fn body(command: Command, payload: &[u8], dump: bool) -> Result<Request, Errno> {
    let invalid = |_: DecodeError| Errno::EINVAL;
    let (mut service_nest, mut server_nest, mut daemon_nest) = (None, None, None);
    let mut timeouts = Timeouts::default();
    for raw in attributes(payload, "a request") {
        let raw = raw.map_err(invalid)?;
        match raw.kind {
            SERVICE => service_nest = Some(raw.value),
            DEST => server_nest = Some(raw.value),
            DAEMON => daemon_nest = Some(raw.value),
            TIMEOUT_TCP => timeouts.tcp = attribute::u32(raw.value, "a limit").map_err(invalid)?,
            TIMEOUT_TCP_FIN => {
                timeouts.tcp_fin = attribute::u32(raw.value, "a limit").map_err(invalid)?;
            }
            TIMEOUT_UDP => timeouts.udp = attribute::u32(raw.value, "a limit").map_err(invalid)?,
            _ => {}
        }
    }
    let service = || service::parts(service_nest.ok_or(Errno::EINVAL)?).map_err(invalid);
    let server =
        |family: Family| server::parts(server_nest.ok_or(Errno::EINVAL)?, family).map_err(invalid);
    let full_server = |family| {
        server(family)?
            .full()
            .map_err(|_| Errno::ERANGE)?
            .ok_or(Errno::EINVAL)
    };
    let daemon = || daemon::parts(daemon_nest.ok_or(Errno::EINVAL)?).map_err(invalid);
    Ok(match command {
        Command::NewService => {
            Operation::AddService(service()?.full().ok_or(Errno::EINVAL)?).into()
        }
        Command::SetService => {
            Operation::UpdateService(service()?.full().ok_or(Errno::EINVAL)?).into()
        }
        Command::DelService => Operation::DeleteService(service()?.key).into(),
        Command::NewDest => {
            let key = service()?.key;
            Operation::AddServer(key, full_server(key.family())?).into()
        }
        Command::SetDest => {
            let key = service()?.key;
            Operation::UpdateServer(key, full_server(key.family())?).into()
        }
        Command::DelDest => {
            let key = service()?.key;
            Operation::DeleteServer(key, server(key.family())?.key).into()
        }
        Command::Zero if service_nest.is_none() => Operation::ZeroAll.into(),
        Command::Zero => Operation::ZeroService(service()?.key).into(),
        Command::Flush => Operation::Flush.into(),
        Command::SetConfig => Operation::SetTimeouts(timeouts).into(),
        Command::NewDaemon => Operation::StartDaemon(daemon()?.daemon().map_err(invalid)?).into(),
        Command::DelDaemon => Operation::StopDaemon(daemon()?.role).into(),
        Command::GetService if dump => Query::Services.into(),
        Command::GetService => Query::Service(service()?.key).into(),
        Command::GetDest if dump => Query::Servers(service()?.key).into(),
        Command::GetDaemon if dump => Query::Daemons.into(),
        Command::GetConfig => Query::Timeouts.into(),
        Command::GetInfo => Query::Info.into(),
        Command::GetDest | Command::GetDaemon | Command::SetInfo => {
            return Err(Errno::EOPNOTSUPP);
        }
    })
}
