//! The checksum, in the forms that peers send.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::PROTOCOL;

/// The group to which adverts over IPv4 go.
pub const MULTICAST_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// What a checksum covers.
///
/// Version 2 covers the message, IPv6 message and pseudo-header. For version 3 over IPv4 the RFCs
/// were read differently, so peers send all of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumForm {
    /// The message only: RFC 9568, 5.2.8. Cisco, Juniper, holo.
    Message,
    /// The message and a pseudo-header of source, destination, protocol and length: keepalived,
    /// FRR.
    PseudoHeader,
    /// The same, with the multicast group for the destination of a unicast packet: keepalived up
    /// to 1.3.6.
    MulticastPseudoHeader,
    /// The message without the authentication data of version 2. Named in errors, never sent.
    WithoutAuthData,
}

impl fmt::Display for ChecksumForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message => "message only",
            Self::PseudoHeader => "with pseudo-header",
            Self::MulticastPseudoHeader => "with a pseudo-header of the multicast group",
            Self::WithoutAuthData => "without the authentication data",
        })
    }
}

/// The checksum forms that a receiver accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AcceptForms {
    /// All that are sent: three for version 3 over IPv4, the only right one otherwise.
    #[default]
    All,
    /// This one only, for version 3 over IPv4.
    Only(ChecksumForm),
}

/// The sum of 16-bit words in ones' complement, not folded. A message has at most 64 KiB, so 32
/// bits cannot overflow.
fn words(bytes: &[u8]) -> u32 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |last| u32::from(*last) << 8);
    pairs
        .iter()
        .map(|pair| u32::from(u16::from_be_bytes(*pair)))
        .fold(last, u32::wrapping_add)
}

/// Folds the carries.
const fn fold(mut sum: u32) -> u16 {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    // At most 0xffff after two folds.
    let [_, _, high, low] = sum.to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn address(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => words(&address.octets()),
        IpAddr::V6(address) => words(&address.octets()),
    }
}

/// The sum of a pseudo-header (RFC 768 for IPv4; RFC 8200, 8.1, for IPv6).
fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> u32 {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    address(source)
        + address(destination)
        + u32::from(PROTOCOL)
        + (length >> 16)
        + (length & 0xffff)
}

/// The sum of a message in this form; 0xffff if it contains its right checksum.
fn sum(form: ChecksumForm, message: &[u8], source: IpAddr, destination: IpAddr) -> u16 {
    let pseudo = |destination| pseudo_header(source, destination, message.len());
    match form {
        ChecksumForm::Message => fold(words(message)),
        ChecksumForm::PseudoHeader => fold(words(message) + pseudo(destination)),
        ChecksumForm::MulticastPseudoHeader => fold(words(message) + pseudo(MULTICAST_V4.into())),
        ChecksumForm::WithoutAuthData => {
            let length = message.len().saturating_sub(8);
            fold(words(message.get(..length).unwrap_or(message)))
        }
    }
}

/// The checksum of a message whose checksum field is zero.
pub(super) fn compute(
    form: ChecksumForm,
    message: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> u16 {
    !sum(form, message, source, destination)
}

/// Whether the message contains its right checksum in this form.
pub(super) fn fits(
    form: ChecksumForm,
    message: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> bool {
    sum(form, message, source, destination) == 0xffff
}
