//! Which servers a listen address gets.
//!
//! Each address of a server goes to the listen addresses of its own family. A tunnelled server can
//! also be used under an address of the other family; it is if it would otherwise be unused, or if
//! the address would otherwise have no server:
//!
//! | listen | servers, all `tun` | under IPv4 | under IPv6 |
//! |---|---|---|---|
//! | IPv4 | `a4`, `b6` | `a4`, `b6` | |
//! | both | `a4`, `b6` | `a4` | `b6` |
//! | both | `a4` | `a4` | `a4` |
//! | both | `a4+a6` | `a4` | `a6` |

use std::net::IpAddr;

use ipvs::Family;

/// A server entry, reduced to what matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'s, A> {
    pub(super) addresses: &'s [A],
    pub(super) tunnelled: bool,
}

/// An address of a candidate that a listen address gets. (32-bit numbers: there may be 60,000 of
/// these, and no file has room for more entries than that.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    entry: u32,
    address: u32,
}

impl Taken {
    fn new(entry: usize, address: usize) -> Self {
        let number = |index| u32::try_from(index).unwrap_or(u32::MAX);
        Self {
            entry: number(entry),
            address: number(address),
        }
    }

    /// The index of the candidate.
    pub(super) const fn entry(self) -> usize {
        self.entry as usize
    }

    /// The index of its address.
    pub(super) const fn address(self) -> usize {
        self.address as usize
    }
}

/// The servers of listen addresses of one family, if the service listens on these families.
pub(super) fn taken<'s, A: 's>(
    family: Family,
    listens_on: &[Family],
    candidates: impl Iterator<Item = Candidate<'s, A>> + Clone,
    address: impl Fn(&A) -> IpAddr,
) -> Vec<Taken> {
    let address = &address;
    let of = |family: Family, candidate: &Candidate<'s, A>, entry: usize| {
        let addresses = candidate.addresses.iter().enumerate();
        let own = addresses.filter(move |(_, held)| Family::of(address(held)) == family);
        own.map(move |(address, _)| Taken::new(entry, address))
    };
    let other = match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let mut own = Vec::with_capacity(candidates.size_hint().0);
    let mut crossing = Vec::new();
    for (entry, candidate) in candidates.enumerate() {
        let before = own.len();
        own.extend(of(family, &candidate, entry));
        if own.len() == before && candidate.tunnelled {
            crossing.extend(of(other, &candidate, entry));
        }
    }
    if own.is_empty() || !listens_on.contains(&other) {
        own.append(&mut crossing);
    }
    own
}

/// The port of a service; 0 for a firewall mark.
pub(super) const fn service_port(key: &ipvs::ServiceKey) -> u16 {
    match key {
        ipvs::ServiceKey::Address { port, .. } => *port,
        ipvs::ServiceKey::Fwmark { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(family: Family, listens_on: &[Family], servers: &[&str], tunnelled: bool) -> String {
        let servers: Vec<Vec<IpAddr>> = servers
            .iter()
            .map(|server| server.split('+').map(|one| one.parse().unwrap()).collect())
            .collect();
        let candidates = servers.iter().map(|addresses| Candidate {
            addresses,
            tunnelled,
        });
        let taken = taken(family, listens_on, candidates, |address| *address);
        let shown = taken
            .iter()
            .map(|taken| servers[taken.entry()][taken.address()].to_string());
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_table_above() {
        use Family::{V4, V6};
        let (a4, b6) = ("10.0.0.1", "2001:db8::2");
        let both = [V4, V6];
        assert_eq!(under(V4, &[V4], &[a4, b6], true), "10.0.0.1 2001:db8::2");
        assert_eq!(under(V4, &[V4], &[a4, b6], false), "10.0.0.1");
        assert_eq!(under(V4, &both, &[a4, b6], true), a4);
        assert_eq!(under(V6, &both, &[a4, b6], true), b6);
        assert_eq!(under(V6, &both, &[a4], true), a4);
        assert_eq!(under(V6, &both, &[a4], false), "");
        assert_eq!(
            under(V6, &both, &["10.0.0.1+2001:db8::1"], true),
            "2001:db8::1"
        );
    }
}
