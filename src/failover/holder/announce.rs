//! Gratuitous ARP and unsolicited neighbour advertisements: hosts and switches learn where a
//! virtual address is now.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, ControlMessage, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrIn6, sendmsg,
    sendto, socket,
};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::failover::socket::pktinfo_v6;

/// All nodes on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A length of an Ethernet frame that every driver sends.
const SHORTEST_FRAME: usize = 60;

/// The sockets, opened before they are needed.
#[derive(Debug)]
pub(super) struct Announcer {
    /// Receives nothing: its protocol is 0.
    packets: OwnedFd,
    neighbours: Option<Socket>,
    links: BTreeMap<u32, LinkAddr>,
}

impl Announcer {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(Self {
            packets: socket(AddressFamily::Packet, SockType::Raw, flags, None)?,
            // Without IPv6 there is nothing to advertise.
            neighbours: neighbours().ok(),
            links: BTreeMap::new(),
        })
    }

    /// The interfaces have changed: reads their link-layer addresses again.
    pub(super) fn refresh(&mut self) {
        let Ok(interfaces) = getifaddrs() else { return };
        let links = interfaces.filter_map(|interface| {
            let link = *interface.address?.as_link_addr()?;
            Some((u32::try_from(link.ifindex()).ok()?, link))
        });
        self.links = links.collect();
    }

    /// Announces an address on an interface. One without a hardware address needs none.
    pub(super) fn announce(&self, index: u32, mac: [u8; 6], address: IpAddr) -> io::Result<()> {
        match address {
            IpAddr::V4(address) => {
                let Some(link) = self.links.get(&index) else {
                    return Ok(());
                };
                let frame = gratuitous_arp(mac, address);
                let fd = self.packets.as_raw_fd();
                sendto(fd, &frame, link, MsgFlags::MSG_DONTWAIT)?;
            }
            IpAddr::V6(address) => {
                let Some(socket) = &self.neighbours else {
                    return Ok(());
                };
                let to = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, index));
                let message = neighbour_advertisement(mac, address);
                let from = pktinfo_v6(address, index);
                sendmsg(
                    socket.as_raw_fd(),
                    &[IoSlice::new(&message)],
                    &[ControlMessage::Ipv6PacketInfo(&from)],
                    MsgFlags::MSG_DONTWAIT,
                    Some(&to),
                )?;
            }
        }
        Ok(())
    }
}

/// A socket for `ICMPv6` that only sends: the kernel computes the checksum (RFC 3542, 3.1).
fn neighbours() -> io::Result<Socket> {
    let kind = Type::RAW.nonblocking().cloexec();
    let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
    // BPF_RET: keep 0 bytes of what arrives.
    socket.attach_filter(&[SockFilter::new(0x06, 0, 0, 0)])?;
    // RFC 4861, 7.1.2: receivers discard any other hop limit.
    socket.set_multicast_hops_v6(255)?;
    socket.set_multicast_loop_v6(false)?;
    Ok(socket)
}

/// A broadcast ARP request for the own address (RFC 5227, 3): sender and target are the same.
fn gratuitous_arp(mac: [u8; 6], address: Ipv4Addr) -> [u8; SHORTEST_FRAME] {
    let mut frame = [0; SHORTEST_FRAME];
    let address = address.octets();
    let parts: [&[u8]; 9] = [
        &[0xff; 6],
        &mac,
        // ARP; Ethernet, IPv4, 6 and 4 octets, request.
        &[0x08, 0x06],
        &[0, 1, 0x08, 0, 6, 4, 0, 1],
        &mac,
        &address,
        &[0; 6],
        &address,
        &[],
    ];
    let mut rest = &mut frame[..];
    for part in parts {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    frame
}

/// RFC 4861, 4.4, with the flags Router and Override (RFC 9568, 8.2.2).
fn neighbour_advertisement(mac: [u8; 6], address: Ipv6Addr) -> [u8; 32] {
    let mut message = [0; 32];
    message[0] = 136;
    message[4] = 0xa0;
    message[8..24].copy_from_slice(&address.octets());
    // The option "target link-layer address", 8 octets.
    message[24] = 2;
    message[25] = 1;
    message[26..].copy_from_slice(&mac);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_of_a_gratuitous_arp() {
        let frame = gratuitous_arp([2, 0, 0, 0, 0, 1], Ipv4Addr::new(192, 0, 2, 10));
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2,
            0, 0, 0, 0, 1, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10,
        ];
        assert_eq!(frame[..42], expected);
    }

    #[test]
    fn a_neighbour_advertisement_says_router_and_override() {
        let address: Ipv6Addr = "2001:db8::10".parse().unwrap();
        let message = neighbour_advertisement([2, 0, 0, 0, 0, 1], address);
        assert_eq!(message[..8], [136, 0, 0, 0, 0xa0, 0, 0, 0]);
        assert_eq!(message[8..24], address.octets());
        assert_eq!(message[24..], [2, 1, 2, 0, 0, 0, 0, 1]);
    }
}
