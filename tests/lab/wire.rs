//! Captures the packets of a wire, where an answer alone does not show how they were encapsulated.

use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use socket2::{Domain, Socket, Type};

/// `ETH_P_ALL`: packets of every protocol.
const EVERYTHING: u16 = 0x0003;

/// Captures on every device of a host from its creation on.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
}

/// A packet as it was on the wire, without its IP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// The IP protocol number of the payload: 6 is TCP, 17 is UDP.
    pub(crate) protocol: u8,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    /// Captures in the namespace of the calling thread.
    pub(super) fn tap() -> io::Result<Self> {
        // The cooked kind: packets start with their IP header, whatever the device. The protocol is
        // in network byte order (packet(7)).
        let protocol = i32::from(EVERYTHING.to_be());
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol.into()))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// The packets to this address since the last call. Answered requests have arrived: there is
    /// nothing to wait for.
    pub(crate) fn packets_to(&mut self, address: IpAddr) -> Vec<Packet> {
        let mut found = Vec::new();
        let mut buffer = [0; 4096];
        // Bounded, as this would not end while packets keep coming; no test examines more.
        for _ in 0..10_000 {
            let Ok(length) = self.socket.read(&mut buffer) else {
                break;
            };
            found.extend(parse(&buffer[..length]).filter(|packet| packet.destination == address));
        }
        found
    }
}

fn parse(bytes: &[u8]) -> Option<Packet> {
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes[0] & 0xf) * 4;
            Some(Packet {
                source: Ipv4Addr::from(*bytes.get(12..16)?.first_chunk::<4>()?).into(),
                destination: Ipv4Addr::from(*bytes.get(16..20)?.first_chunk::<4>()?).into(),
                protocol: bytes[9],
                payload: bytes.get(header..)?.to_vec(),
            })
        }
        6 => Some(Packet {
            source: Ipv6Addr::from(*bytes.get(8..24)?.first_chunk::<16>()?).into(),
            destination: Ipv6Addr::from(*bytes.get(24..40)?.first_chunk::<16>()?).into(),
            protocol: bytes[6],
            payload: bytes.get(40..)?.to_vec(),
        }),
        _ => None,
    }
}
