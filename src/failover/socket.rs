//! The raw sockets of adverts, one for each interface and address family.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::sockopt::Ipv6RecvPacketInfo;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, recvmsg, sendmsg,
    setsockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use vrrp::Family;
use vrrp::codec::{Datagram, HOP_LIMIT, MULTICAST_V4, MULTICAST_V6, PROTOCOL};

/// Network control (RFC 4594): class selector 6.
const TRAFFIC_CLASS: u32 = 0xc0;

/// The highest priority in the queues of an interface that needs no privilege.
const SEND_PRIORITY: u32 = 6;

/// Room for a burst of adverts of other routers.
const RECEIVE_BUFFER: usize = 256 << 10;

/// The longest packet: an advert of 255 IPv6 addresses, with the header.
pub(super) const LONGEST: usize = 9216;

/// A socket for all virtual routers of one family on one interface.
#[derive(Debug)]
pub(super) struct AdvertSocket {
    socket: Socket,
    family: Family,
    index: u32,
}

impl AdvertSocket {
    /// Opens it. `multicast`: joins the group.
    ///
    /// # Errors
    /// Any error of the socket: without `CAP_NET_RAW`, or the interface is gone.
    pub(super) fn open(
        interface: &str,
        index: u32,
        family: Family,
        multicast: bool,
    ) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let protocol = Protocol::from(i32::from(PROTOCOL));
        let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_priority(SEND_PRIORITY)?;
        let hops = u32::from(HOP_LIMIT);
        match family {
            Family::V4 => {
                socket.set_ttl_v4(hops)?;
                socket.set_multicast_ttl_v4(hops)?;
                socket.set_multicast_loop_v4(false)?;
                socket.set_tos_v4(TRAFFIC_CLASS)?;
                if multicast {
                    let on = InterfaceIndexOrAddress::Index(index);
                    socket.join_multicast_v4_n(&MULTICAST_V4, &on)?;
                }
            }
            Family::V6 => {
                // A raw socket of IPv6 receives no IPv4; the kernel refuses `IPV6_V6ONLY` on it.
                socket.set_unicast_hops_v6(hops)?;
                socket.set_multicast_hops_v6(hops)?;
                socket.set_multicast_loop_v6(false)?;
                socket.set_multicast_if_v6(index)?;
                // On the interface of a virtual MAC address, the source is that of another one.
                socket.set_freebind_v6(true)?;
                socket.set_tclass_v6(TRAFFIC_CLASS)?;
                setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
                socket.set_recv_hoplimit_v6(true)?;
                if multicast {
                    socket.join_multicast_v6(&MULTICAST_V6, index)?;
                }
            }
        }
        // `bind_device` goes by name; the interface of this name may be another one by now.
        match NonZeroU32::new(index) {
            Some(_) => Ok(Self {
                socket,
                family,
                index,
            }),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The interface to which it belongs.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// Sends a message from an address of the interface.
    ///
    /// # Errors
    /// Any error of the kernel: a firewall, a full queue, no such address.
    pub(super) fn send(
        &self,
        source: IpAddr,
        destination: IpAddr,
        message: &[u8],
    ) -> io::Result<()> {
        let content = [IoSlice::new(message)];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
                let from = pktinfo_v4(source, self.index);
                sendmsg(
                    fd,
                    &content,
                    &[ControlMessage::Ipv4PacketInfo(&from)],
                    flags,
                    Some(&to),
                )
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let to = SocketAddrV6::new(destination, 0, 0, self.index);
                let to = SockaddrIn6::from(to);
                let from = pktinfo_v6(source, self.index);
                sendmsg(
                    fd,
                    &content,
                    &[ControlMessage::Ipv6PacketInfo(&from)],
                    flags,
                    Some(&to),
                )
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        sent.map(drop).map_err(io::Error::from)
    }

    /// The next packet that has come, if any.
    pub(super) fn receive<'b>(&self, buffer: &'b mut [u8], space: &mut [u8]) -> Received<'b> {
        match self.family {
            Family::V4 => self.receive_v4(buffer),
            Family::V6 => self.receive_v6(buffer, space),
        }
    }

    /// A raw socket of IPv4 receives the header.
    fn receive_v4<'b>(&self, buffer: &'b mut [u8]) -> Received<'b> {
        let mut content = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let length = match recvmsg::<SockaddrIn>(fd, &mut content, None, MsgFlags::MSG_DONTWAIT) {
            Ok(message) => message.bytes,
            Err(errno) => return Received::none(errno),
        };
        let packet = buffer.get(..length).unwrap_or_default();
        Datagram::from_ipv4(packet).map_or(Received::Junk, Received::Message)
    }

    fn receive_v6<'b>(&self, buffer: &'b mut [u8], space: &mut [u8]) -> Received<'b> {
        let mut content = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let (length, source, destination, hop_limit) =
            match recvmsg::<SockaddrIn6>(fd, &mut content, Some(space), flags) {
                Ok(message) => {
                    let (mut destination, mut hops) = (None, None);
                    for control in message.cmsgs().into_iter().flatten() {
                        match control {
                            ControlMessageOwned::Ipv6PacketInfo(info) => {
                                destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                            }
                            ControlMessageOwned::Ipv6HopLimit(limit) => {
                                hops = u8::try_from(limit).ok();
                            }
                            _ => {}
                        }
                    }
                    let source = message.address.map(|address| address.ip());
                    (message.bytes, source, destination, hops)
                }
                Err(errno) => return Received::none(errno),
            };
        match (source, destination, hop_limit, buffer.get(..length)) {
            (Some(source), Some(destination), Some(hop_limit), Some(payload)) => {
                Received::Message(Datagram {
                    source: source.into(),
                    destination: destination.into(),
                    hop_limit,
                    payload,
                })
            }
            _ => Received::Junk,
        }
    }

    /// For poll(2).
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The result of [`AdvertSocket::receive`].
#[derive(Debug)]
pub(super) enum Received<'b> {
    /// Nothing more has come.
    Nothing,
    /// Something that is no whole packet of VRRP.
    Junk,
    /// A message.
    Message(Datagram<'b>),
    /// The socket is broken: the interface is gone.
    Broken,
}

impl Received<'_> {
    const fn none(errno: nix::errno::Errno) -> Self {
        use nix::errno::Errno;
        match errno {
            Errno::EAGAIN => Self::Nothing,
            // ENETDOWN is reported once when the interface goes down.
            Errno::EINTR | Errno::ENETDOWN => Self::Junk,
            _ => Self::Broken,
        }
    }
}

/// What `IP_PKTINFO` sets: source address and interface.
pub(super) fn pktinfo_v4(source: Ipv4Addr, index: u32) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: i32::try_from(index).unwrap_or(0),
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(source.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

/// What `IPV6_PKTINFO` sets: source address and interface.
pub(super) fn pktinfo_v6(source: Ipv6Addr, index: u32) -> libc::in6_pktinfo {
    libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: source.octets(),
        },
        ipi6_ifindex: index,
    }
}
