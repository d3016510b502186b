//! Echo requests and replies as bytes (RFC 792; RFC 4443, section 4).

/// The form of packets from a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// With an IPv4 header: raw IPv4.
    Ip,
    /// Without a header: raw IPv6.
    Icmp,
    /// Without a header, and with an identifier that the kernel chooses and verifies.
    Anonymous,
}

/// One request, and how to recognize its reply.
#[derive(Debug, Clone)]
pub(super) struct Echo {
    v4: bool,
    framing: Framing,
    identifier: [u8; 2],
    sequence: [u8; 2],
    data: Vec<u8>,
}

impl Echo {
    /// A request with `size` bytes of payload, starting with the random ones.
    pub(super) fn new(v4: bool, framing: Framing, random: [u8; 12], size: u16) -> Self {
        let [a, b, c, d, token @ ..] = random;
        Self {
            v4,
            framing,
            identifier: [a, b],
            sequence: [c, d],
            data: token.into_iter().cycle().take(size.into()).collect(),
        }
    }

    /// The packet, from the ICMP header on.
    pub(super) fn request(&self) -> Vec<u8> {
        let kind = if self.v4 { 8 } else { 128 };
        let mut packet = vec![kind, 0, 0, 0];
        packet.extend([self.identifier, self.sequence].concat());
        packet.extend(&self.data);
        // ICMPv6's checksum also covers the addresses: the kernel fills it in (RFC 3542, section
        // 3.1).
        if self.v4 {
            let sum = checksum(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&sum);
        }
        packet
    }

    /// Whether this is the reply to it: identifier, sequence number and all data.
    pub(super) fn is_answered_by(&self, received: &[u8]) -> bool {
        let packet = match self.framing {
            Framing::Ip => without_ip_header(received),
            Framing::Icmp | Framing::Anonymous => Some(received),
        };
        let Some((header, data)) = packet.and_then(|packet| packet.split_first_chunk::<8>()) else {
            return false;
        };
        let kind = if self.v4 { 0 } else { 129 };
        let [_, _, _, _, identifier @ .., s1, s2] = header;
        header[..2] == [kind, 0]
            && (self.framing == Framing::Anonymous || *identifier == self.identifier)
            && [*s1, *s2] == self.sequence
            && data == self.data
    }
}

fn without_ip_header(packet: &[u8]) -> Option<&[u8]> {
    let words = packet.first()? & 0xf;
    packet.get(usize::from(words) * 4..)
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        // Carry immediately: 65,000 bytes would not overflow, but this needs no proof.
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANDOM: [u8; 12] = [0x12, 0x34, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn a_request_is_what_ping_sends() {
        let echo = Echo::new(true, Framing::Ip, RANDOM, 3);
        // ~(0800 + 1234 + 0007 + 0102 + 0300) = ~1e3d
        let wanted = [8, 0, 0xe1, 0xc2, 0x12, 0x34, 0, 7, 1, 2, 3];
        assert_eq!(echo.request(), wanted);
        assert_eq!(checksum(&wanted), 0, "with its checksum the sum is nothing");
        let v6 = Echo::new(false, Framing::Icmp, RANDOM, 0);
        assert_eq!(v6.request(), [128, 0, 0, 0, 0x12, 0x34, 0, 7]);
    }

    #[test]
    fn only_its_own_reply_answers_it() {
        let echo = Echo::new(true, Framing::Ip, RANDOM, 3);
        let icmp = [0, 0, 0xe9, 0xc2, 0x12, 0x34, 0, 7, 1, 2, 3];
        let mut ip = vec![0x45; 20];
        ip.extend(icmp);
        assert!(echo.is_answered_by(&ip));
        // The request itself (a ping of this machine); another identifier, number or byte;
        // truncated.
        for (at, byte) in [(20, 8), (25, 0), (27, 8), (30, 0)] {
            let mut other = ip.clone();
            other[at] = byte;
            assert!(!echo.is_answered_by(&other), "byte {at}");
        }
        assert!(!echo.is_answered_by(&ip[..30]));
        let bare = Echo::new(true, Framing::Anonymous, RANDOM, 3);
        assert!(bare.is_answered_by(&[0, 0, 0, 0, 9, 9, 0, 7, 1, 2, 3]));
        let v6 = Echo::new(false, Framing::Icmp, RANDOM, 1);
        assert!(v6.is_answered_by(&[129, 0, 5, 5, 0x12, 0x34, 0, 7, 1]));
        assert!(!v6.is_answered_by(&[0, 0, 5, 5, 0x12, 0x34, 0, 7, 1]));
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(bytes: Vec<u8>, size in 0_u16..100) {
            for framing in [Framing::Ip, Framing::Icmp, Framing::Anonymous] {
                Echo::new(true, framing, RANDOM, size).is_answered_by(&bytes);
            }
        }

        #[test]
        fn every_checksum_makes_the_sum_nothing(random: [u8; 12], size in 0_u16..2000) {
            let request = Echo::new(true, Framing::Ip, random, size).request();
            prop_assert_eq!(checksum(&request), 0);
        }
    }
}
