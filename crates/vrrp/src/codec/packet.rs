//! What the network says about a message.

use std::net::{IpAddr, Ipv4Addr};

use super::{DecodeError, PROTOCOL};

/// The IP Authentication Header.
const AH: u8 = 51;

/// A received message, and what its packet's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub source: IpAddr,
    /// The group, or an address of ours.
    pub destination: IpAddr,
    /// The TTL or hop limit, as received.
    pub hop_limit: u8,
    /// The VRRP message.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The message in an IPv4 packet, as a raw socket receives it. A raw socket of IPv6 receives no
    /// header; fill in the fields from its ancillary data.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Packet`] if it is no whole, unfragmented IPv4 packet of VRRP, and
    /// [`DecodeError::AuthType`] if it has an IP Authentication Header.
    pub fn from_ipv4(packet: &'a [u8]) -> Result<Self, DecodeError> {
        let wrong = |why| Err(DecodeError::Packet { why });
        let Some((header, _)) = packet.split_first_chunk::<20>() else {
            return wrong("shorter than its header");
        };
        let [
            first,
            _,
            length_1,
            length_2,
            _,
            _,
            fragment_1,
            fragment_2,
            hop_limit,
            protocol,
            ..,
        ] = *header;
        if first >> 4 != 4 {
            return wrong("not version 4");
        }
        // Without the bit "don't fragment".
        if u16::from_be_bytes([fragment_1, fragment_2]) & 0xbfff != 0 {
            return wrong("a fragment");
        }
        match protocol {
            PROTOCOL => {}
            AH => {
                return Err(DecodeError::AuthType {
                    found: 2,
                    expected: 0,
                });
            }
            _ => return wrong("another protocol"),
        }
        let header_length = usize::from(first & 0x0f) * 4;
        let length = usize::from(u16::from_be_bytes([length_1, length_2]));
        // Below 20 the options overlap the header; `get` refuses a range that ends before it begins.
        let Some(payload) = packet
            .get(header_length..length)
            .filter(|_| header_length >= 20)
        else {
            return wrong("its lengths are wrong");
        };
        let [.., s1, s2, s3, s4, d1, d2, d3, d4] = *header;
        Ok(Self {
            source: Ipv4Addr::new(s1, s2, s3, s4).into(),
            destination: Ipv4Addr::new(d1, d2, d3, d4).into(),
            hop_limit,
            payload,
        })
    }
}
