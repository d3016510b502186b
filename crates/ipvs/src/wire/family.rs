//! The generic netlink controller: the message type of IPVS in this kernel.

use netlink_packet_core::Nla;
use netlink_packet_generic::constants::{CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME};

use super::DecodeError;
use super::attribute::{self, attributes};

/// `IPVS_GENL_NAME`.
pub(super) const NAME: &str = "IPVS";

/// Decodes the family's number, 16 or more, from the payload of `CTRL_CMD_NEWFAMILY`, the reply to
/// `CTRL_CMD_GETFAMILY`.
///
/// # Errors
/// [`DecodeError`] if the number is missing, truncated or reserved for netlink's own messages.
pub fn decode_family(payload: &[u8]) -> Result<u16, DecodeError> {
    let what = "the family's number";
    for raw in attributes(payload, "the description of the family") {
        let raw = raw?;
        if raw.kind == CTRL_ATTR_FAMILY_ID {
            let id = attribute::u16(raw.value, what)?;
            // NLMSG_ERROR, NLMSG_DONE and the like are below NLMSG_MIN_TYPE.
            return if id >= 16 {
                Ok(id)
            } else {
                Err(DecodeError::Value {
                    what,
                    value: id.into(),
                })
            };
        }
    }
    Err(DecodeError::Missing { what })
}

/// `CTRL_ATTR_FAMILY_NAME` of the query.
pub(super) struct FamilyName;

impl Nla for FamilyName {
    fn value_len(&self) -> usize {
        NAME.len() + 1
    }

    fn kind(&self) -> u16 {
        CTRL_ATTR_FAMILY_NAME
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        buffer[..NAME.len()].copy_from_slice(NAME.as_bytes());
        buffer[NAME.len()] = 0;
    }
}

/// The payload of a reply with the family's number.
#[cfg(feature = "fake")]
pub(crate) fn encode_family_reply(id: u16, out: &mut Vec<u8>) {
    struct Id(u16);
    impl Nla for Id {
        fn value_len(&self) -> usize {
            2
        }

        fn kind(&self) -> u16 {
            CTRL_ATTR_FAMILY_ID
        }

        fn emit_value(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0.to_ne_bytes());
        }
    }
    super::command::append(&[FamilyName], out);
    super::command::append(&[Id(id)], out);
}
