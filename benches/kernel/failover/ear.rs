//! The client's own socket for adverts: it hears when one comes, and floods the link.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp::codec::{AddressList, Advert, ChecksumForm, MULTICAST_V4};
use vrrp::{Auth, Interval, Priority, Version, VirtualRouterId};

use super::VIRTUAL;
use crate::lab::Host;

/// A raw socket of the client.
pub(super) struct Ear(Socket);

impl Ear {
    pub(super) fn open(client: &Host) -> Self {
        let socket = client.enter(|| {
            let protocol = Protocol::from(112);
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).unwrap();
            socket.bind_device(Some(b"eth0")).unwrap();
            socket.set_multicast_ttl_v4(255).unwrap();
            socket.set_multicast_loop_v4(false).unwrap();
            let index = nix::net::if_::if_nametoindex("eth0").unwrap();
            let on = InterfaceIndexOrAddress::Index(index);
            socket.join_multicast_v4_n(&MULTICAST_V4, &on).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            socket
        });
        Self(socket)
    }

    /// Waits for the next advert.
    pub(super) fn wait(&mut self) {
        let mut packet = [0; 256];
        self.0.set_nonblocking(true).unwrap();
        while self.0.read(&mut packet).is_ok() {}
        self.0.set_nonblocking(false).unwrap();
        let length = self.0.read(&mut packet).expect("an advert comes");
        assert!(length > 0, "an advert is not empty");
    }

    /// Sends a message to the group; whether that was possible.
    pub(super) fn send(&self, message: &[u8]) -> bool {
        let to = SocketAddr::from((MULTICAST_V4, 0)).into();
        self.0.send_to(message, &to).is_ok()
    }
}

/// A message of the client's, `wrong` by this much in its last byte.
pub(super) fn advert(id: u8, priority: u8, wrong: u8) -> Vec<u8> {
    let addresses: AddressList = match VIRTUAL {
        IpAddr::V4(address) => [address].into_iter().collect(),
        IpAddr::V6(_) => panic!("the virtual address is of IPv4"),
    };
    let advert = Advert {
        version: Version::V3,
        router: VirtualRouterId::new(id).unwrap(),
        priority: Priority(priority),
        interval: Interval::from_centiseconds(10).unwrap(),
        addresses: addresses.as_addresses(),
        auth: Auth::None,
    };
    let source: IpAddr = "10.0.0.9".parse().unwrap();
    let mut message = advert
        .encode(ChecksumForm::PseudoHeader, source, MULTICAST_V4.into())
        .unwrap();
    *message.last_mut().unwrap() ^= wrong;
    message
}
