//! A router that sends whatever it likes: adverts byte by byte, in an IPv4 header of its own.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use vrrp::codec::{AddressList, Advert, ChecksumForm, MULTICAST_V4};
use vrrp::{Auth, Interval, Priority, Version, VirtualRouterId};

use crate::lab::Host;

/// A message and its packet. The default is a good advert of version 3 from 10.0.0.9, for id 51,
/// with priority 200 and one address, every 100 ms: the active director gives way to it.
#[derive(Debug, Clone)]
pub(super) struct Forged {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) ttl: u8,
    pub(super) message: Vec<u8>,
}

/// What a message says, before anything is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Says {
    pub(super) version: Version,
    pub(super) id: u8,
    pub(super) priority: u8,
    pub(super) centiseconds: u16,
    pub(super) address: Ipv4Addr,
    pub(super) auth: Auth,
    pub(super) form: ChecksumForm,
}

/// An advert of version 3.
pub(super) const V3: Says = Says {
    version: Version::V3,
    id: 51,
    priority: 200,
    centiseconds: 10,
    address: Ipv4Addr::new(10, 0, 0, 100),
    auth: Auth::None,
    form: ChecksumForm::PseudoHeader,
};

/// The address of the client, which sends them.
pub(super) const ROGUE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

impl Forged {
    /// From the client to all.
    pub(super) fn new(says: Says) -> Self {
        Self::from(says, ROGUE)
    }

    pub(super) fn from(says: Says, source: Ipv4Addr) -> Self {
        let addresses = AddressList::from_iter([says.address]);
        let advert = Advert {
            version: says.version,
            router: VirtualRouterId::new(says.id).unwrap(),
            priority: Priority(says.priority),
            interval: Interval::from_centiseconds(says.centiseconds).unwrap(),
            addresses: addresses.as_addresses(),
            auth: says.auth,
        };
        Self {
            source,
            destination: MULTICAST_V4,
            ttl: 255,
            message: advert
                .encode(says.form, source.into(), MULTICAST_V4.into())
                .unwrap(),
        }
    }

    /// With other bytes, and the checksum that fits them.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.message);
        if self.message.len() >= 8 {
            let is_v3 = self.message[0] >> 4 == 3;
            self.message[6..8].fill(0);
            let sum = checksum(&self, is_v3);
            self.message[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        self
    }

    fn packet(&self) -> Vec<u8> {
        let length = u16::try_from(20 + self.message.len()).unwrap();
        let mut packet = vec![0x45, 0xc0];
        packet.extend(length.to_be_bytes());
        // The kernel fills in the identification and the checksum.
        packet.extend([0, 0, 0, 0, self.ttl, 112, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(&self.message);
        packet
    }
}

/// The internet checksum of the message, with the pseudo-header if it is of version 3.
fn checksum(forged: &Forged, pseudo: bool) -> u16 {
    let mut bytes = Vec::new();
    if pseudo {
        bytes.extend(forged.source.octets());
        bytes.extend(forged.destination.octets());
        bytes.extend([0, 112]);
        let length = u16::try_from(forged.message.len()).unwrap();
        bytes.extend(length.to_be_bytes());
    }
    // Version 2 leaves the authentication data out of no sum but that of AH.
    bytes.extend(&forged.message);
    let words = bytes.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([word[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// The socket of a router that forges.
pub(super) struct Rogue(Socket);

impl Rogue {
    pub(super) fn on(host: &Host) -> Self {
        let socket = host.enter(|| {
            let protocol = Protocol::from(112);
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).unwrap();
            socket.set_header_included_v4(true).unwrap();
            socket.bind_device(Some(b"eth0")).unwrap();
            socket
        });
        Self(socket)
    }

    pub(super) fn send(&self, forged: &Forged) {
        let to = SocketAddr::from((forged.destination, 0)).into();
        let packet = forged.packet();
        let sent = self.0.send_to(&packet, &to);
        assert_eq!(sent.unwrap(), packet.len());
    }
}
