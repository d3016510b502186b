//! The schedulers that use addresses, computed as the kernel does: which server `dh`, `sh` and `mh`
//! choose for a client.
//!
//! ```
//! use std::net::IpAddr;
//!
//! use ipvs::hashing::{Hashed, Places};
//!
//! let server = |number: usize, last: u8| Hashed {
//!     number,
//!     address: IpAddr::from([10, 0, 0, last]),
//!     port: 80,
//!     weight: 1,
//! };
//! // In the kernel's order, which is that of a dump: last added first.
//! let places = Places::mh(&[server(2, 12), server(1, 11)]);
//! let client = IpAddr::from([192, 0, 2, 7]);
//! assert_eq!(places.at(client, 0), Some(2));
//! // Server 2 is full: with the fallback flag, its clients go to another one.
//! assert_eq!(places.fall_back(client, 0, |number| number != 2), Some(1));
//! ```
//!
//! The kernel makes the tables anew when a server is added, changed or deleted. A 32-bit kernel has
//! another hash function for `mh`.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

/// A real server as a hash scheduler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// A number by which the caller knows the server.
    pub number: usize,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The weight for its share: for `mh` the last one that was not 0 (`__ip_vs_update_dest`).
    pub weight: u32,
}

/// The server at each place of a table, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// 256 numbers for `dh` and `sh`, 4093 for `mh`; none without a server that has a share.
    pub of: Vec<usize>,
    maglev: bool,
}

/// The size of the table of `dh` and `sh` (`IP_VS_SH_TAB_SIZE`).
const SMALL: usize = 256;

/// The size of the table of `mh` (`IP_VS_MH_TAB_SIZE` with the default `CONFIG_IP_VS_MH_TAB_INDEX`).
const LARGE: u32 = 4093;

/// The largest number of turns in a row, in bits (`IP_VS_MH_TAB_BITS`).
const TURN_BITS: u32 = 6;

const FIRST_KEY: u64 = 2_654_435_761;
const SECOND_KEY: u64 = 2_654_446_892;

impl Places {
    /// `dh`: the servers in the kernel's order, one place each, repeated (`ip_vs_dh_reassign`).
    #[must_use]
    pub fn dh(servers: &[Hashed]) -> Self {
        Self::small(servers.iter().map(|server| server.number).cycle())
    }

    /// `sh`: as many consecutive places as the server's weight, one at weight 0
    /// (`ip_vs_sh_reassign`).
    #[must_use]
    pub fn sh(servers: &[Hashed]) -> Self {
        let turns = servers.iter().flat_map(|server| {
            let weight = usize::try_from(server.weight.max(1)).unwrap_or(SMALL);
            std::iter::repeat_n(server.number, weight.min(SMALL))
        });
        let turns: Vec<usize> = turns.collect();
        Self::small(turns.into_iter().cycle())
    }

    fn small(turns: impl Iterator<Item = usize>) -> Self {
        Self {
            of: turns.take(SMALL).collect(),
            maglev: false,
        }
    }

    /// `mh`: Maglev's table. Each server prefers the places in an order of its own, and they take
    /// the best free one in turns (`ip_vs_mh_populate`). Large weights are divided, so that no
    /// server has more than 63 turns in a row (`ip_vs_mh_shift_weight`).
    #[must_use]
    pub fn mh(servers: &[Hashed]) -> Self {
        let step = servers.iter().fold(0, |step, s| gcd(s.weight, step)).max(1);
        let most = servers.iter().map(|s| s.weight / step).max().unwrap_or(0);
        let shift = (u32::BITS - most.leading_zeros()).saturating_sub(TURN_BITS);
        let mut queues: Vec<_> = servers
            .iter()
            .filter(|server| server.weight > 0)
            .map(|server| {
                let seed = fold(server.address).wrapping_add(server.port.into());
                let first = hsiphash(seed, FIRST_KEY) % LARGE;
                let skip = hsiphash(seed, SECOND_KEY) % (LARGE - 1) + 1;
                let turns = ((server.weight / step) >> shift).max(1);
                (server.number, first, skip, turns)
            })
            .collect();
        let mut of: Vec<Option<usize>> = vec![None; index(LARGE)];
        let mut free = if queues.is_empty() { 0 } else { of.len() };
        while free > 0 {
            for (number, place, skip, turns) in &mut queues {
                for _ in 0..index(*turns).min(free) {
                    while of[index(*place)].is_some() {
                        *place = (*place + *skip) % LARGE;
                    }
                    of[index(*place)] = Some(*number);
                    free -= 1;
                }
            }
        }
        Self {
            of: of.into_iter().flatten().collect(),
            maglev: true,
        }
    }

    /// The server for an address and port (0 where ports do not count): the client's for `sh` and
    /// `mh`, the virtual address for `dh`. `None` if the table is empty.
    #[must_use]
    pub fn at(&self, address: IpAddr, port: u16) -> Option<usize> {
        self.of.get(self.place(address, port, 0)).copied()
    }

    /// Like [`Places::at`], but continues through the table to a server that is `usable`; `None` if
    /// it finds none.
    ///
    /// `sh` goes place by place, starting at twice the client's own: `ip_vs_sh_hashkey` adds an
    /// offset that already contains the client's place. `mh` hashes the client again for each
    /// offset (`ip_vs_mh_get_fallback`).
    pub fn fall_back(
        &self,
        address: IpAddr,
        port: u16,
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let home = self.place(address, port, 0);
        let first = self.at(address, port)?;
        if usable(first) {
            return Some(first);
        }
        (0..self.of.len())
            .map(|step| self.of[self.place(address, port, (step + home) % self.of.len())])
            .find(|number| usable(*number))
    }

    /// The number of places that differ from another table's.
    #[must_use]
    pub fn differing(&self, other: &Self) -> usize {
        let pairs = self.of.iter().zip(&other.of);
        pairs.filter(|(mine, theirs)| mine != theirs).count()
    }

    /// The number of a server's places.
    #[must_use]
    pub fn share(&self, number: usize) -> usize {
        self.of.iter().filter(|at| **at == number).count()
    }

    fn place(&self, address: IpAddr, port: u16, offset: usize) -> usize {
        let key = fold(address).wrapping_add(port.into());
        if self.maglev {
            let offset = u32::try_from(offset).unwrap_or(0);
            index(hsiphash(key.wrapping_add(offset), FIRST_KEY) % LARGE)
        } else {
            // `hash_32` to 8 bits.
            (offset + index(key.wrapping_mul(0x61C8_8647) >> 24)) % SMALL
        }
    }
}

/// An address as one word; the four words of an IPv6 address combined by XOR.
fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bytes = address.octets();
            let words = bytes.chunks(4).map(|b| [b[0], b[1], b[2], b[3]]);
            words.fold(0, |sum, word| sum ^ u32::from_be_bytes(word))
        }
    }
}

/// `hsiphash` of one word, with a key of twice the same 64 bits: SipHash-1-3 on 64-bit machines,
/// truncated to 32 bits.
fn hsiphash(word: u32, key: u64) -> u32 {
    let mut hasher = SipHasher13::new_with_keys(key, key);
    hasher.write(&word.to_le_bytes());
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A place of a table, or a number of turns: small.
fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(weights: &[u32]) -> Vec<Hashed> {
        let servers = weights.iter().enumerate().map(|(number, weight)| Hashed {
            number,
            address: IpAddr::from([10, 0, 0, 11 + u8::try_from(number).unwrap()]),
            port: 80,
            weight: *weight,
        });
        servers.collect()
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    #[test]
    fn without_a_server_that_has_a_share_no_client_is_served() {
        for places in [
            Places::dh(&[]),
            Places::sh(&[]),
            Places::mh(&[]),
            Places::mh(&servers(&[0, 0])),
        ] {
            assert_eq!(places.at(CLIENT, 0), None);
            assert_eq!(places.fall_back(CLIENT, 0, |_| true), None);
        }
    }

    #[test]
    fn the_largest_weights_fill_their_tables() {
        let places = Places::sh(&servers(&[i32::MAX.unsigned_abs(), 1]));
        assert_eq!((places.share(0), places.share(1)), (256, 0));
        let places = Places::mh(&servers(&[i32::MAX.unsigned_abs(), 1]));
        // 63 turns of one, one turn of the other.
        assert_eq!(places.share(0) + places.share(1), 4093);
        assert!((60..=66).contains(&places.share(1)), "{}", places.share(1));
    }

    #[test]
    fn a_fallback_without_a_usable_server_ends() {
        for places in [Places::sh(&servers(&[1, 1])), Places::mh(&servers(&[1, 1]))] {
            assert_eq!(places.fall_back(CLIENT, 40_000, |_| false), None);
        }
    }
}
