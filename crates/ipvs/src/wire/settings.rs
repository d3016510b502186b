//! The replies to `IPVS_CMD_GET_CONFIG` and `IPVS_CMD_GET_INFO`, whose attributes follow the
//! headers directly, without a nest.

use netlink_packet_core::Nla;

use super::DecodeError;
use super::attribute::{self, attributes};
use super::command::{TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP};
use crate::model::{Info, Timeouts, Version};

const VERSION: u16 = 1;
const CONN_TAB_SIZE: u16 = 2;

/// Decodes the timeouts from the payload of `IPVS_CMD_SET_CONFIG`, the reply to
/// `IPVS_CMD_GET_CONFIG`. A protocol that the kernel was built without is missing and reads as 0.
///
/// # Errors
/// [`DecodeError`] if a value is truncated.
pub fn decode_timeouts(payload: &[u8]) -> Result<Timeouts, DecodeError> {
    let mut timeouts = Timeouts::default();
    for raw in attributes(payload, "the timeouts") {
        let raw = raw?;
        let field = match raw.kind {
            TIMEOUT_TCP => &mut timeouts.tcp,
            TIMEOUT_TCP_FIN => &mut timeouts.tcp_fin,
            TIMEOUT_UDP => &mut timeouts.udp,
            _ => continue,
        };
        *field = attribute::u32(raw.value, "a timeout")?;
    }
    Ok(timeouts)
}

/// Decodes version and table size from the payload of `IPVS_CMD_SET_INFO`, the reply to
/// `IPVS_CMD_GET_INFO`.
///
/// # Errors
/// [`DecodeError`] if one of the two is missing or truncated.
pub fn decode_info(payload: &[u8]) -> Result<Info, DecodeError> {
    let (mut version, mut size) = (None, None);
    for raw in attributes(payload, "the IPVS information") {
        let raw = raw?;
        match raw.kind {
            VERSION => version = Some(attribute::u32(raw.value, "the IPVS version")?),
            CONN_TAB_SIZE => size = Some(attribute::u32(raw.value, "the connection table's size")?),
            _ => {}
        }
    }
    let version = version.ok_or(DecodeError::Missing {
        what: "the IPVS version",
    })?;
    let size = size.ok_or(DecodeError::Missing {
        what: "the connection table's size",
    })?;
    Ok(Info {
        version: Version::from_code(version),
        connection_table_size: size,
    })
}

/// A top-level attribute that is one number.
pub(super) struct Number {
    pub(super) kind: u16,
    pub(super) value: u32,
}

impl Nla for Number {
    fn value_len(&self) -> usize {
        4
    }

    fn kind(&self) -> u16 {
        self.kind
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.value.to_ne_bytes());
    }
}

/// The payload of a reply with the timeouts.
#[cfg(feature = "fake")]
pub(crate) fn encode_timeouts_reply(timeouts: &Timeouts, out: &mut Vec<u8>) {
    let numbers = [
        Number {
            kind: TIMEOUT_TCP,
            value: timeouts.tcp,
        },
        Number {
            kind: TIMEOUT_TCP_FIN,
            value: timeouts.tcp_fin,
        },
        Number {
            kind: TIMEOUT_UDP,
            value: timeouts.udp,
        },
    ];
    super::command::append(&numbers, out);
}

/// The payload of a reply with version and table size.
#[cfg(feature = "fake")]
pub(crate) fn encode_info_reply(info: &Info, out: &mut Vec<u8>) {
    let numbers = [
        Number {
            kind: VERSION,
            value: info.version.code(),
        },
        Number {
            kind: CONN_TAB_SIZE,
            value: info.connection_table_size,
        },
    ];
    super::command::append(&numbers, out);
}
