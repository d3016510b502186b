//! The addresses of the machine's interfaces.

use std::net::IpAddr;

use super::attribute::{address, for_each_attribute, number};
use super::error::{NetError, Question};
use super::socket::{Request, RouteSocket};

const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// `struct ifaddrmsg`: family, length of the prefix, flags, scope; the interface's index.
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;

/// More addresses than this are not read.
const LIMIT: usize = 100_000;

/// An address, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it are those of its network.
    pub prefix_length: u8,
    /// The index of its interface.
    pub interface: u32,
    /// Whether it is in use.
    pub state: AddressState,
}

/// Whether an address is in use. An IPv6 address is not before the network was asked whether
/// somebody has it already (duplicate address detection, RFC 4862 section 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// It is.
    Used,
    /// It will be in a moment, if nobody else has it.
    Tentative,
    /// Somebody else has it: it never will be.
    Duplicate,
}

impl RouteSocket {
    /// All addresses of all interfaces.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::TooMany`] past 100,000.
    pub fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, NetError> {
        // Of every family, and of every interface.
        let request = Request {
            kind: RTM_GETADDR,
            body: &[0; HEADER],
            answer: RTM_NEWADDR,
        };
        let found = self.dump(Question::Addresses, &request, LIMIT, decode)?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// An address message; inside, `None` for a family that is neither of both.
#[expect(
    clippy::option_option,
    reason = "not understood is not the same as not wanted"
)]
fn decode(message: &[u8]) -> Option<Option<InterfaceAddress>> {
    let &[family, prefix_length, flags, ..] = message else {
        return None;
    };
    let interface = number(message.get(4..)?)?;
    let mut flags = u32::from(flags);
    let (mut local, mut other) = (None, None);
    for_each_attribute(message, HEADER, |kind, value| {
        match kind {
            // On a point-to-point interface this is the other end.
            IFA_ADDRESS => other = address(family, value),
            IFA_LOCAL => local = address(family, value),
            IFA_FLAGS => flags = number(value)?,
            _ => {}
        }
        Some(())
    })?;
    let state = if flags & IFA_F_DADFAILED != 0 {
        AddressState::Duplicate
    } else if flags & IFA_F_TENTATIVE != 0 {
        AddressState::Tentative
    } else {
        AddressState::Used
    };
    Some(local.or(other).map(|address| InterfaceAddress {
        address,
        prefix_length,
        interface,
        state,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 192.0.2.10/32 on interface 7, the other end of its cable being 192.0.2.99.
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
    fn no_prefix_of_a_message_panics() {
        let message = message();
        for length in 0..message.len() {
            let _ = decode(&message[..length]);
        }
        assert_eq!(decode(&message[..7]), None);
    }
}
