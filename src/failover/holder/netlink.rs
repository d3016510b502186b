//! rtnetlink for addresses and links: what there is, what changes, and changes of our own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP};
use netlink_packet_core::{ErrorBuffer, NlasIterator};
use netlink_packet_core::{NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::LinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use socket2::SockRef;

use super::section::Place;
use crate::state::failover::VirtualAddress;

/// Addresses with this `IFA_PROTO` are ours: VRRP's number. The kernel keeps it with the address
/// (Linux 5.18), so that the next process knows them after any kind of end.
pub(crate) const LIVE: u8 = 112;

/// Ours, left by a process that ended on purpose and told its peers to wait for the next one.
pub(super) const LEFT: u8 = 113;

/// The kernel answers immediately unless another process holds its lock.
const PATIENCE: Duration = Duration::from_secs(10);

const HEADER: usize = 16;
const PIECE: usize = 32 << 10;

/// Valid for ever.
const FOREVER: u32 = u32::MAX;

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Whether it is up and has a carrier.
    pub(crate) up: bool,
    pub(crate) mtu: u16,
    /// The hardware address of an Ethernet-like interface.
    pub(crate) mac: Option<[u8; 6]>,
    /// The alias (`IFLA_IFALIAS`), empty without one.
    pub(crate) alias: String,
    /// Whether it is a dummy interface.
    pub(crate) is_dummy: bool,
    /// Whether it is a macvlan, and the interface on which it is.
    pub(crate) is_macvlan: bool,
    pub(crate) parent: Option<u32>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) index: u32,
    /// `IFA_PROTO`: who added it.
    pub(crate) proto: u8,
    /// Seconds until the kernel removes it; `None`: never.
    pub(crate) valid: Option<u32>,
    /// Whether another address of the same network came before it.
    pub(crate) secondary: bool,
    /// Whether it is in use: duplicate address detection is over.
    pub(crate) usable: bool,
}

impl Address {
    /// Whether a director added it.
    pub(crate) const fn is_ours(&self) -> bool {
        matches!(self.proto, LIVE | LEFT)
    }
}

/// What rtnetlink reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Link(Link),
    LinkGone(u32),
    Address(Address),
    AddressGone(Address),
    /// Messages were lost: everything has to be read again.
    Lost,
}

/// Hears of changes.
#[derive(Debug)]
pub(crate) struct Monitor {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Monitor {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        let groups = [
            libc::RTMGRP_LINK,
            libc::RTMGRP_IPV4_IFADDR,
            libc::RTMGRP_IPV6_IFADDR,
        ];
        let groups = groups
            .iter()
            .fold(0, |all, group| all | group.unsigned_abs());
        socket.bind(&SocketAddr::new(0, groups))?;
        socket.set_non_blocking(true)?;
        // A storm of addresses is read in time, or `News::Lost`.
        SockRef::from(&socket).set_recv_buffer_size(1 << 20)?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(PIECE),
        })
    }

    /// What has come, at most so many datagrams.
    pub(crate) fn hear(&mut self, most: usize, mut each: impl FnMut(News)) {
        for _ in 0..most {
            self.buffer.clear();
            match self.socket.recv_from(&mut self.buffer, 0) {
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok(_) => messages(&self.buffer, |kind, _, body| {
                    if let Some(news) = decode(kind, body) {
                        each(news);
                    }
                }),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => each(News::Lost),
                Err(_) => break,
            }
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Reads and changes.
#[derive(Debug)]
pub(crate) struct Requests {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Requests {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        SockRef::from(&socket).set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(PIECE),
            sequence: 0,
        })
    }

    /// All links and addresses.
    pub(crate) fn everything(&mut self) -> io::Result<Vec<News>> {
        let mut all = Vec::new();
        let links = LinkMessage::default();
        let addresses = AddressMessage::default();
        let queries: [(u16, &dyn Emitable); 2] =
            [(libc::RTM_GETLINK, &links), (libc::RTM_GETADDR, &addresses)];
        for (kind, body) in queries {
            self.list(kind, body, |kind, body| all.extend(decode(kind, body)))?;
        }
        Ok(all)
    }

    /// Adds an address as a lease of so many seconds (`None`: for good), or renews it.
    ///
    /// By default a host address (/32, /128) without a route to a network, so that its end takes
    /// nothing along (`promote_secondaries`). IPv6: no duplicate address detection, which would
    /// take a second; deprecated, so that no connection of this machine uses it as its source.
    pub(crate) fn lease(
        &mut self,
        index: u32,
        place: &Place,
        seconds: Option<u32>,
        proto: u8,
    ) -> io::Result<()> {
        let mut message = address_of(index, place.address, place.prefix);
        let is_v6 = place.address.is_ipv6();
        let mut cache = CacheInfo::default();
        cache.ifa_valid = seconds.unwrap_or(FOREVER);
        cache.ifa_preferred = if is_v6 { 0 } else { cache.ifa_valid };
        let mut flags = AddressFlags::empty();
        flags.set(
            AddressFlags::Noprefixroute,
            place.prefix == VirtualAddress::whole(place.address),
        );
        flags.set(AddressFlags::Nodad, is_v6);
        message.attributes.push(AddressAttribute::Flags(flags));
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        if let Some(label) = place.label.as_ref().filter(|_| !is_v6) {
            let label = AddressAttribute::Label(label.to_string());
            message.attributes.push(label);
        }
        let proto = AddressAttribute::Protocol(AddressProtocol::Other(proto));
        message.attributes.push(proto);
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.send(libc::RTM_NEWADDR, &message, flags)?;
        self.answers(|_, _| {})
    }

    /// Removes an address. One that is gone already is no error.
    pub(crate) fn remove(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let message = address_of(index, address, prefix);
        self.send(libc::RTM_DELADDR, &message, NLM_F_REQUEST | NLM_F_ACK)?;
        match self.answers(|_, _| {}) {
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Has the kernel check queries, and select what they ask for (Linux 4.20).
    pub(crate) fn strictly(self) -> Self {
        // Without it, the kernel sends everything.
        let _ = self.socket.set_netlink_get_strict_chk(true);
        self
    }

    /// Reads a list.
    pub(crate) fn list(
        &mut self,
        kind: u16,
        query: &dyn Emitable,
        each: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.send(kind, query, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.answers(each)
    }

    /// Sends a change and waits for its acknowledgement.
    pub(crate) fn change(&mut self, kind: u16, body: &dyn Emitable, flags: u16) -> io::Result<()> {
        self.send(kind, body, flags)?;
        self.answers(|_, _| {})
    }

    fn send(&mut self, kind: u16, body: &dyn Emitable, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER + body.buffer_len();
        let mut message = vec![0; length];
        body.emit(&mut message[HEADER..]);
        let mut header = NetlinkBuffer::new(&mut message);
        header.set_length(u32::try_from(length).unwrap_or(u32::MAX));
        header.set_message_type(kind);
        header.set_flags(flags);
        header.set_sequence_number(self.sequence);
        match self.socket.send(&message, 0)? {
            sent if sent == length => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Reads up to the acknowledgement, or the end of a list.
    fn answers(&mut self, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let mut end = None;
        while end.is_none() {
            self.buffer.clear();
            let (_, sender) = match self.socket.recv_from(&mut self.buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            if sender.port_number() != 0 {
                continue;
            }
            let sequence = self.sequence;
            messages(&self.buffer, |kind, number, body| match kind {
                _ if number != sequence => {}
                NLMSG_DONE => end = Some(Ok(())),
                NLMSG_ERROR => end = Some(acknowledged(body)),
                kind => each(kind, body),
            });
        }
        end.unwrap_or(Ok(()))
    }
}

fn acknowledged(body: &[u8]) -> io::Result<()> {
    let code = ErrorBuffer::new_checked(body)
        .map_err(io::Error::other)?
        .code();
    code.map_or(Ok(()), |code| {
        Err(io::Error::from_raw_os_error(-code.get()))
    })
}

/// Whether an address or its interface does not exist.
fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::EADDRNOTAVAIL, Errno::ENODEV, Errno::ENXIO];
    gone.iter()
        .any(|errno| error.raw_os_error() == Some(*errno as i32))
}

fn address_of(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = prefix;
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    message
}

/// The messages of a datagram: type, sequence number, body.
fn messages(mut rest: &[u8], mut each: impl FnMut(u16, u32, &[u8])) {
    while let Ok(message) = NetlinkBuffer::new_checked(rest) {
        each(
            message.message_type(),
            message.sequence_number(),
            message.payload(),
        );
        let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn decode(kind: u16, body: &[u8]) -> Option<News> {
    match kind {
        libc::RTM_NEWLINK => decode_link(body).map(News::Link),
        libc::RTM_DELLINK => {
            // A bridge reports a port that leaves it as a deleted link of its own family.
            (body.first() == Some(&0)).then(|| number(body, 4).map(News::LinkGone))?
        }
        libc::RTM_NEWADDR => decode_address(body).map(News::Address),
        libc::RTM_DELADDR => decode_address(body).map(News::AddressGone),
        _ => None,
    }
}

/// A number of 32 bits in a message, in the machine's byte order.
pub(crate) fn number(body: &[u8], at: usize) -> Option<u32> {
    let bytes = body.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// `struct ifinfomsg` and the attributes of interest (`linux/if_link.h`).
fn decode_link(body: &[u8]) -> Option<Link> {
    const IFLA_ADDRESS: u16 = 1;
    const IFLA_IFNAME: u16 = 3;
    const IFLA_MTU: u16 = 4;
    const IFLA_LINK: u16 = 5;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_IFALIAS: u16 = 20;
    const IFLA_INFO_KIND: u16 = 1;
    // AF_UNSPEC; a bridge speaks of its ports with a family of its own.
    if body.first() != Some(&0) {
        return None;
    }
    let flags = number(body, 8)?;
    let wanted = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOWER_UP).unsigned_abs();
    let (mut name, mut mtu, mut mac) = (None, 1500, None);
    let (mut alias, mut made_as, mut parent) = (String::new(), String::new(), None);
    for attribute in NlasIterator::new(body.get(16..)?) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => name = Some(text(value)),
            IFLA_IFALIAS => alias = text(value),
            // Nested, with the flag of that (`NLA_F_NESTED`) or without.
            IFLA_LINKINFO => {
                let mut kinds = NlasIterator::new(value).flatten();
                let kind = kinds.find(|nested| nested.kind() == IFLA_INFO_KIND);
                made_as = kind.map_or_else(String::new, |nested| text(nested.value()));
            }
            IFLA_MTU => mtu = number(value, 0)?,
            IFLA_LINK => parent = number(value, 0),
            IFLA_ADDRESS => mac = <[u8; 6]>::try_from(value).ok(),
            _ => {}
        }
    }
    Some(Link {
        index: number(body, 4)?,
        name: name?,
        up: flags & wanted == wanted,
        mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
        mac,
        alias,
        is_dummy: made_as == "dummy",
        is_macvlan: made_as == "macvlan",
        parent,
    })
}

/// A text with or without its NUL.
fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// `struct ifaddrmsg` and the attributes of interest (`linux/if_addr.h`).
fn decode_address(body: &[u8]) -> Option<Address> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_CACHEINFO: u16 = 6;
    const IFA_FLAGS: u16 = 8;
    const IFA_PROTO: u16 = 11;
    let family = i32::from(*body.first()?);
    if family != libc::AF_INET && family != libc::AF_INET6 {
        return None;
    }
    let mut flags = u32::from(*body.get(2)?);
    let (mut local, mut other, mut valid, mut proto) = (None, None, FOREVER, 0);
    for attribute in NlasIterator::new(body.get(8..)?) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            IFA_ADDRESS => other = ip(value),
            IFA_LOCAL => local = ip(value),
            IFA_FLAGS => flags = number(value, 0)?,
            IFA_CACHEINFO => valid = number(value, 4)?,
            IFA_PROTO => proto = *value.first()?,
            _ => {}
        }
    }
    let pending = libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED;
    Some(Address {
        address: local.or(other)?,
        prefix: *body.get(1)?,
        index: number(body, 4)?,
        proto,
        valid: (valid != FOREVER).then_some(valid),
        secondary: family == libc::AF_INET && flags & libc::IFA_F_SECONDARY != 0,
        usable: flags & pending == 0,
    })
}

/// An address in a message.
pub(crate) fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).into())
}
