//! The addresses of the machine's interfaces.

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NlasIterator, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage,
};
use nix::libc::{RTM_GETADDR, RTM_NEWADDR};

use super::error::{NetError, Question};
use super::socket::{Request, RouteSocket};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

/// The most addresses read.
const LIMIT: usize = 100_000;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address itself.
    pub address: IpAddr,
    /// The length of its network prefix, in bits.
    pub prefix_length: u8,
    /// The index of its interface.
    pub interface: u32,
    /// Whether the address is in use.
    pub state: AddressState,
}

/// Whether an address is in use. An IPv6 address is not until duplicate address detection is done
/// (RFC 4862 section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// In use.
    Used,
    /// In use shortly, unless another machine has it.
    Tentative,
    /// Never in use: another machine has it.
    Duplicate,
}

impl RouteSocket {
    /// All addresses of all interfaces.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::TooMany`] above 100,000.
    pub fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, NetError> {
        // Of every family and every interface.
        let request = Request {
            kind: RTM_GETADDR,
            body: &AddressMessage::default(),
            answer: RTM_NEWADDR,
        };
        let found = self.dump(Question::Addresses, &request, LIMIT, decode)?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// An address message; the inner `None` means a family other than IPv4 and IPv6.
#[expect(
    clippy::option_option,
    reason = "not understood is not the same as not wanted"
)]
fn decode(message: &[u8]) -> Option<Option<InterfaceAddress>> {
    let header = AddressHeader::parse(message).ok()?;
    // MCTP and Phonet have addresses of a single byte.
    if !matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return Some(None);
    }
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    let (mut local, mut other) = (None, None);
    for attribute in NlasIterator::new(message.get(header.buffer_len()..)?) {
        let attribute = attribute.ok()?;
        if !matches!(attribute.kind(), IFA_ADDRESS | IFA_LOCAL | IFA_FLAGS) {
            continue;
        }
        match AddressAttribute::parse(&attribute).ok()? {
            // On a point-to-point interface this is the peer's address.
            AddressAttribute::Address(address) => other = Some(address),
            AddressAttribute::Local(address) => local = Some(address),
            AddressAttribute::Flags(all) => flags = all,
            _ => {}
        }
    }
    let state = if flags.contains(AddressFlags::Dadfailed) {
        AddressState::Duplicate
    } else if flags.contains(AddressFlags::Tentative) {
        AddressState::Tentative
    } else {
        AddressState::Used
    };
    Some(local.or(other).map(|address| InterfaceAddress {
        address,
        prefix_length: header.prefix_len,
        interface: header.index,
        state,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IFA_F_DADFAILED: u32 = 0x08;
    const IFA_F_TENTATIVE: u32 = 0x40;

    /// 192.0.2.10/32 on interface 7, whose peer is 192.0.2.99.
    fn message() -> Vec<u8> {
        let mut message = vec![2, 32, 0x80, 0];
        message.extend(7_u32.to_ne_bytes());
        for (kind, last) in [(IFA_ADDRESS, 99), (IFA_LOCAL, 10)] {
            message.extend(8_u16.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend([192, 0, 2, last]);
        }
        message
    }

    #[test]
    fn the_own_end_of_a_cable_is_meant() {
        let decoded = decode(&message()).unwrap().unwrap();
        assert_eq!(decoded.address, IpAddr::from([192, 0, 2, 10]));
        assert_eq!((decoded.prefix_length, decoded.interface), (32, 7));
        assert_eq!(decoded.state, AddressState::Used);
    }

    #[test]
    fn the_long_flags_count() {
        for (flags, state) in [
            (IFA_F_TENTATIVE, AddressState::Tentative),
            (IFA_F_TENTATIVE | IFA_F_DADFAILED, AddressState::Duplicate),
            (0x200, AddressState::Used),
        ] {
            let mut message = message();
            message.extend(8_u16.to_ne_bytes());
            message.extend(IFA_FLAGS.to_ne_bytes());
            message.extend(flags.to_ne_bytes());
            assert_eq!(decode(&message).unwrap().unwrap().state, state);
        }
    }

    #[test]
    fn an_address_of_another_family_does_not_spoil_the_list() {
        // MCTP endpoint 9 on interface 7, padded.
        let mut message = vec![45, 0, 0, 0, 7, 0, 0, 0];
        message.extend(5_u16.to_ne_bytes());
        message.extend(IFA_LOCAL.to_ne_bytes());
        message.extend([9, 0, 0, 0]);
        assert_eq!(decode(&message), Some(None));
    }

    #[test]
    fn an_attribute_that_is_not_read_may_have_any_form() {
        let mut message = message();
        // A truncated IFA_CACHEINFO.
        message.extend(6_u16.to_ne_bytes());
        message.extend(6_u16.to_ne_bytes());
        message.extend([1, 2, 0, 0]);
        let decoded = decode(&message).unwrap().unwrap();
        assert_eq!(decoded.address, IpAddr::from([192, 0, 2, 10]));
    }

    #[test]
    fn no_prefix_of_a_message_panics() {
        let message = message();
        for length in 0..message.len() {
            let _ = decode(&message[..length]);
        }
        assert_eq!(decode(&message[..7]), None);
    }

    #[test]
    fn no_changed_byte_of_a_message_panics() {
        for place in 0..message().len() {
            for value in 0..=u8::MAX {
                let mut message = message();
                message[place] = value;
                let _ = decode(&message);
            }
        }
    }
}
