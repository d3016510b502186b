//! The source addresses of checks: no virtual one, if the machine has another.
//!
//! The servers of direct routing and tunnels hold the virtual addresses too. One that gets a check
//! from such an address sends its answer to itself, and the check times out. The kernel chooses the
//! source by the route's preferred address or, for IPv6, by RFC 6724 section 5, which knows nothing
//! of IPVS and likes a `/128` on the outgoing interface.
//!
//! ```text
//!   virtual addresses ─► avoid ─┐
//!   kernel's choice ────────────┼─► Source, one per server ─► Way, at each check
//!   other own addresses ────────┘        ▲ renewed after a failure, and when `avoid` changes
//! ```

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use socket2::{Domain, Socket, Type};

use super::Target;

/// How long the list of this machine's addresses is cached.
const FRESH: Duration = Duration::from_secs(1);

/// Where checks of a server leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// From the address that the kernel chooses.
    Kernels,
    /// From this one, as the kernel would choose a virtual address.
    Own(IpAddr),
    /// From this virtual address: the machine has no other.
    Virtual(IpAddr),
}

/// The sources of all checks, shared by the threads that run them.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<State>);

/// A source, and whether it is to be chosen again.
#[derive(Debug, Clone, Copy)]
struct Choice {
    source: Source,
    stale: bool,
}

#[derive(Debug, Default)]
struct State {
    /// The virtual addresses.
    avoid: BTreeSet<IpAddr>,
    /// By the server's address and the mark of the check's packets, which may change the route.
    chosen: HashMap<(IpAddr, u32), Choice>,
    /// This machine's other addresses.
    own: Own,
}

impl Sources {
    /// An address is virtual from now on, or no longer.
    pub(crate) fn avoid(&self, address: IpAddr, is_virtual: bool) {
        let mut state = self.lock();
        let is_news = match is_virtual {
            true => state.avoid.insert(address),
            false => state.avoid.remove(&address),
        };
        if is_news {
            state.chosen.clear();
            state.own = Own::default();
        }
    }

    /// Where checks of a server leave from.
    pub(crate) fn of(&self, server: IpAddr, mark: u32) -> Source {
        let mut state = self.lock();
        let State { avoid, chosen, own } = &mut *state;
        if avoid.is_empty() {
            return Source::Kernels;
        }
        if let Some(choice) = chosen.get(&(server, mark))
            && !choice.stale
        {
            return choice.source;
        }
        let source = choose(server, mark, avoid, |kernels| own.others(avoid, kernels));
        let stale = false;
        chosen.insert((server, mark), Choice { source, stale });
        source
    }

    /// A check failed, or could not be carried out: the next one looks again.
    pub(crate) fn renew(&self, target: &Target) {
        let mark = target.spec.at.mark.unwrap_or(0);
        let mut state = self.lock();
        // Through the forwarding path, the way is that to the server, without the check's own mark.
        for key in [(target.address, mark), (target.server.0, 0)] {
            if let Some(choice) = state.chosen.get_mut(&key) {
                choice.stale = true;
            }
        }
    }

    /// A target is no longer checked.
    pub(crate) fn forget(&self, target: &Target) {
        let mark = target.spec.at.mark.unwrap_or(0);
        let mut state = self.lock();
        state.chosen.remove(&(target.address, mark));
        state.chosen.remove(&(target.server.0, 0));
    }

    /// The virtual address that the checks of a target leave from for want of another.
    pub(crate) fn forced(&self, target: &Target) -> Option<IpAddr> {
        let at = &target.spec.at;
        let of_family = |source: &IpAddr| source.is_ipv4() == target.address.is_ipv4();
        if at.through || at.source.iter().any(of_family) {
            return None;
        }
        let key = (target.address, at.mark.unwrap_or(0));
        match self.lock().chosen.get(&key)?.source {
            Source::Virtual(address) => Some(address),
            Source::Kernels | Source::Own(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    address: IpAddr,
    /// The length of its network's prefix, in bits.
    prefix: u32,
    interface: String,
}

/// This machine's addresses, slightly cached.
#[derive(Debug, Default)]
struct Own {
    read: Option<Instant>,
    /// Those that are not virtual, and the interface of each that is.
    others: Vec<Address>,
    virtuals: HashMap<IpAddr, BTreeSet<String>>,
}

impl Own {
    /// The addresses besides the virtual ones, those of the interface with `own` first.
    fn others(&mut self, avoid: &BTreeSet<IpAddr>, own: IpAddr) -> Vec<Address> {
        let now = Instant::now();
        let is_fresh = |read: Instant| now.saturating_duration_since(read) < FRESH;
        if !self.read.is_some_and(is_fresh) {
            // Without a list there is no other address.
            let all = read().unwrap_or_default();
            let (virtuals, others) = all
                .into_iter()
                .partition::<Vec<_>, _>(|one| avoid.contains(&one.address));
            self.others = others;
            self.virtuals.clear();
            for one in virtuals {
                let interfaces = self.virtuals.entry(one.address).or_default();
                interfaces.insert(one.interface);
            }
            self.read = Some(now);
        }
        let here = self.virtuals.get(&own);
        let is_here = |one: &Address| here.is_some_and(|here| here.contains(&one.interface));
        let (mut first, rest): (Vec<_>, Vec<_>) = self.others.iter().cloned().partition(is_here);
        first.extend(rest);
        first
    }
}

/// Chooses the source of checks of a server.
fn choose(
    server: IpAddr,
    mark: u32,
    avoid: &BTreeSet<IpAddr>,
    others: impl FnOnce(IpAddr) -> Vec<Address>,
) -> Source {
    // Without a route the check itself says so.
    let Ok(kernels) = own_address(server, None, mark) else {
        return Source::Kernels;
    };
    // A server on this machine answers itself anyway.
    if kernels == server || !avoid.contains(&kernels) {
        return Source::Kernels;
    }
    ranked(server, others(kernels))
        .into_iter()
        // An address in duplicate address detection cannot be bound; a rule may forbid its way.
        .find(|address| own_address(server, Some(*address), mark).is_ok())
        .map_or(Source::Virtual(kernels), Source::Own)
}

/// This machine's address towards a server, none of `avoid` if there is another.
///
/// # Errors
/// Usually no route.
pub(crate) fn address_towards(server: IpAddr, avoid: &BTreeSet<IpAddr>) -> io::Result<IpAddr> {
    let others = |kernels| Own::default().others(avoid, kernels);
    match choose(server, 0, avoid, others) {
        Source::Kernels => own_address(server, None, 0),
        Source::Own(address) | Source::Virtual(address) => Ok(address),
    }
}

/// The addresses that can be a source towards a server, the best first: one of the same network,
/// then one of the outgoing interface, whose addresses come first in `others`, then the one with
/// the longest common prefix (RFC 6724 section 5, rules 5 and 8).
fn ranked(server: IpAddr, others: Vec<Address>) -> Vec<IpAddr> {
    let fits = |one: &Address| {
        one.address.is_ipv4() == server.is_ipv4()
            && !one.address.is_loopback()
            && is_link_local(one.address) == is_link_local(server)
    };
    let mut others: Vec<_> = others.into_iter().filter(fits).collect();
    let first = others.first().map(|one| one.interface.clone());
    others.sort_by_key(|one| {
        let common = common_prefix(one.address, server);
        let on_link = common >= one.prefix;
        let elsewhere = Some(&one.interface) != first.as_ref();
        (!on_link, elsewhere, u32::MAX - common)
    });
    others.into_iter().map(|one| one.address).collect()
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The number of leading bits that two addresses of one family share.
fn common_prefix(left: IpAddr, right: IpAddr) -> u32 {
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => (left.to_bits() ^ right.to_bits()).leading_zeros(),
        (IpAddr::V6(left), IpAddr::V6(right)) => (left.to_bits() ^ right.to_bits()).leading_zeros(),
        _ => 0,
    }
}

/// This machine's own address towards a server, from the routing table, without sending a packet;
/// with `from`, whether that address can be it.
///
/// # Errors
/// Those of bind(2) and connect(2), usually no route.
pub(crate) fn own_address(server: IpAddr, from: Option<IpAddr>, mark: u32) -> io::Result<IpAddr> {
    // Any port: nothing is sent.
    let to = SocketAddr::new(server, 9);
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    if mark != 0 {
        socket.set_mark(mark)?;
    }
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect(&to.into())?;
    let own = socket.local_addr()?.as_socket();
    own.map(|own| own.ip())
        .ok_or_else(|| io::Error::other("the socket has no address"))
}

/// The addresses of the interfaces that are up.
fn read() -> io::Result<Vec<Address>> {
    let mut found = Vec::new();
    for interface in getifaddrs()? {
        if !interface.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let (Some(address), mask) = (interface.address, interface.netmask) else {
            continue;
        };
        let v4 = address.as_sockaddr_in().map(|v4| {
            let mask = mask.as_ref().and_then(|mask| mask.as_sockaddr_in());
            let prefix = mask.map_or(32, |mask| Ipv4Addr::to_bits(mask.ip()).leading_ones());
            (IpAddr::V4(v4.ip()), prefix)
        });
        let v6 = address.as_sockaddr_in6().map(|v6| {
            let mask = mask.as_ref().and_then(|mask| mask.as_sockaddr_in6());
            let prefix = mask.map_or(128, |mask| Ipv6Addr::to_bits(mask.ip()).leading_ones());
            (IpAddr::V6(v6.ip()), prefix)
        });
        if let Some((address, prefix)) = v4.or(v6) {
            // An address with a label (`eth0:1`) is one of the interface before the colon.
            let name = interface.interface_name;
            let name = name.split(':').next().unwrap_or_default();
            found.push(Address {
                address,
                prefix,
                interface: name.to_owned(),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn own(text: &str, interface: &str) -> Address {
        let (address, prefix) = text.split_once('/').unwrap();
        Address {
            address: ip(address),
            prefix: prefix.parse().unwrap(),
            interface: interface.to_owned(),
        }
    }

    #[test]
    fn the_servers_network_comes_first_then_the_outgoing_interface() {
        let others = || {
            vec![
                own("2001:db8:9::2/64", "eth0"),
                own("fe80::1/64", "eth0"),
                own("10.0.0.2/24", "eth0"),
                own("::1/128", "lo"),
                own("2001:db8:ffff::1/128", "lo"),
                own("2001:db8:1::2/64", "eth1"),
            ]
        };
        assert_eq!(
            ranked(ip("2001:db8:1::11"), others()),
            [
                ip("2001:db8:1::2"),
                ip("2001:db8:9::2"),
                ip("2001:db8:ffff::1")
            ]
        );
        assert_eq!(ranked(ip("10.0.0.11"), others()), [ip("10.0.0.2")]);
        assert_eq!(ranked(ip("fe80::9"), others()), [ip("fe80::1")]);
        assert_eq!(ranked(ip("169.254.1.1"), others()), Vec::<IpAddr>::new());
    }

    #[test]
    fn without_virtual_addresses_the_kernel_chooses_and_nothing_is_kept() {
        let sources = Sources::default();
        assert_eq!(sources.of(ip("127.0.0.1"), 0), Source::Kernels);
        assert!(sources.lock().chosen.is_empty());
    }

    #[test]
    fn a_virtual_address_that_the_kernel_would_choose_is_avoided_or_named() {
        // Towards 127.0.0.9 the kernel chooses 127.0.0.1, and another loopback address is no
        // address of an interface.
        let avoid = BTreeSet::from([ip("127.0.0.1")]);
        let server = ip("127.0.0.9");
        assert_eq!(own_address(server, None, 0).unwrap(), ip("127.0.0.1"));
        let none = choose(server, 0, &avoid, |_| Vec::new());
        assert_eq!(none, Source::Virtual(ip("127.0.0.1")));
        assert_eq!(
            choose(ip("127.0.0.1"), 0, &avoid, |_| Vec::new()),
            Source::Kernels
        );
        assert_eq!(
            choose(server, 0, &BTreeSet::new(), |_| Vec::new()),
            Source::Kernels
        );
    }

    #[test]
    fn other_virtual_addresses_or_a_failure_make_it_look_again() {
        let sources = Sources::default();
        let server = ip("127.0.0.9");
        sources.avoid(ip("127.0.0.1"), true);
        sources.avoid(ip("192.0.2.1"), true);
        // Another address of this machine, if there is one.
        assert_ne!(sources.of(server, 0), Source::Kernels);
        assert_eq!(sources.lock().chosen.len(), 1);
        sources.avoid(ip("127.0.0.1"), true);
        assert_eq!(sources.lock().chosen.len(), 1, "no news");
        sources.avoid(ip("127.0.0.1"), false);
        assert_eq!(sources.of(server, 0), Source::Kernels);
    }
}
