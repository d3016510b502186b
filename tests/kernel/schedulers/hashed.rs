//! Models of the schedulers that use addresses: `dh`, `sh` and `mh`.

use std::net::IpAddr;

/// A real server as a hash scheduler sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) number: usize,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// The weight for its share: for `mh` the last one that was not 0.
    pub(super) weight: u32,
}

/// The server at each place of a table, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) of: Vec<usize>,
}

impl Places {
    /// `dh`: the servers in the kernel's order, one place each, repeated (`ip_vs_dh_reassign`).
    pub(super) fn dh(servers: &[Hashed]) -> Self {
        let turns = servers.iter().map(|server| server.number);
        Self::of_256(turns.cycle())
    }

    /// `sh`: as many consecutive places as the server's weight, one at weight 0
    /// (`ip_vs_sh_reassign`).
    pub(super) fn sh(servers: &[Hashed]) -> Self {
        let turns = servers.iter().flat_map(|server| {
            let places = usize::try_from(server.weight.max(1)).expect("a small weight");
            std::iter::repeat_n(server.number, places)
        });
        let turns: Vec<usize> = turns.collect();
        Self::of_256(turns.into_iter().cycle())
    }

    fn of_256(turns: impl Iterator<Item = usize>) -> Self {
        Self {
            of: turns.take(256).collect(),
        }
    }

    /// `mh`: Maglev's table of 4093 places. Each server prefers the places in its own order, and
    /// they take the best free one in turns (`ip_vs_mh_populate`). Weights here are below 64 (times
    /// their greatest common divisor), so that the kernel does not shift them.
    pub(super) fn mh(servers: &[Hashed]) -> Self {
        let step = servers.iter().fold(0, |step, s| gcd(s.weight, step));
        let mut queues: Vec<_> = servers
            .iter()
            .filter(|server| server.weight > 0)
            .map(|server| {
                let seed = fold(server.address).wrapping_add(server.port.into());
                let first = siphash_13(seed, MH_KEY_1) % MH_PLACES;
                let skip = siphash_13(seed, MH_KEY_2) % (MH_PLACES - 1) + 1;
                (server.number, first, skip, server.weight / step)
            })
            .collect();
        let mut of = vec![0; 4093];
        let mut free = of.len();
        while free > 0 {
            for (number, place, skip, turns) in &mut queues {
                for _ in 0..(*turns).min(u32::try_from(free).expect("at most 4093")) {
                    while of[index(*place)] != 0 {
                        *place = (*place + *skip) % MH_PLACES;
                    }
                    of[index(*place)] = *number;
                    free -= 1;
                }
            }
        }
        Self { of }
    }

    /// The server for an address and port (0 where ports do not count).
    pub(super) fn at(&self, address: IpAddr, port: u16) -> usize {
        self.of[self.place(address, port, 0)]
    }

    /// Like [`Places::at`], but continues through the table to a server that is `usable`.
    ///
    /// `sh` goes place by place, starting at twice the client's own: `ip_vs_sh_hashkey` adds an
    /// offset that already contains the client's place. `mh` hashes the client again for each
    /// offset (`ip_vs_mh_get_fallback`).
    pub(super) fn fall_back(
        &self,
        address: IpAddr,
        port: u16,
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let home = self.place(address, port, 0);
        if usable(self.of[home]) {
            return Some(self.of[home]);
        }
        (0..self.of.len())
            .map(|step| self.of[self.place(address, port, (step + home) % self.of.len())])
            .find(|number| usable(*number))
    }

    /// The number of places that differ from another table's.
    pub(super) fn differing(&self, other: &Self) -> usize {
        let pairs = self.of.iter().zip(&other.of);
        pairs.filter(|(mine, theirs)| mine != theirs).count()
    }

    /// The number of a server's places.
    pub(super) fn share(&self, number: usize) -> usize {
        self.of.iter().filter(|at| **at == number).count()
    }

    fn place(&self, address: IpAddr, port: u16, offset: usize) -> usize {
        let key = fold(address).wrapping_add(port.into());
        let offset32 = u32::try_from(offset).expect("smaller than a table");
        if self.of.len() == 256 {
            (offset + index(hash_256(key))) % 256
        } else {
            index(hash_mh(key.wrapping_add(offset32)))
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

/// The kernel's `hash_32` to 8 bits.
fn hash_256(key: u32) -> u32 {
    key.wrapping_mul(0x61C8_8647) >> 24
}

const MH_PLACES: u32 = 4093;
const MH_KEY_1: u64 = 2_654_435_761;
const MH_KEY_2: u64 = 2_654_446_892;

fn hash_mh(key: u32) -> u32 {
    siphash_13(key, MH_KEY_1) % MH_PLACES
}

/// SipHash-1-3 of one word, with a key of twice the same 64 bits, truncated to 32 bits: `hsiphash`
/// on 64-bit machines.
fn siphash_13(word: u32, key: u64) -> u32 {
    let mut v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    // The last block: the length in its highest byte.
    let block = 4 << 56 | u64::from(word);
    v[3] ^= block;
    sip_round(&mut v);
    v[0] ^= block;
    v[2] ^= 0xff;
    for _ in 0..3 {
        sip_round(&mut v);
    }
    let hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    u32::try_from(hash & u64::from(u32::MAX)).expect("32 bits")
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn index(place: u32) -> usize {
    usize::try_from(place).expect("a table's place fits")
}
