//! Assigns marks and source ports. Pure: time is an argument.
//!
//! ```text
//!   mark = first mark + slot
//!   ports of a slot = blocks of 64 from block (slot mod number of blocks) on, a ring
//!
//!   group = virtual address and port: within it no two slots overlap in their ports, those
//!           that were given back and may still have connection entries included
//! ```
//!
//! A port therefore belongs to one server of a group as long as that has the slot: when the
//! rotation reaches it again, an entry that is still alive leads to the right server. The lifetime
//! of entries matters only after a slot is returned.
//!
//! A door's slot is found by hashing, so that two runs with the same doors choose alike even if
//! none was left in the kernel.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use ipvs::{
    Family, ForwardMethod, Fwmark, Operation, Server, ServerKey, Service, ServiceKey, Weight,
};

use super::passage::{Passage, Ports};
use super::{Door, Refused, Wish};
use director_config::state::health::MarkRange;
use director_config::state::{BootTime, ObservedService};

/// The number of source ports per block. One check per second uses this many in the minute of
/// `TIME_WAIT`.
const BLOCK: u16 = 64;

/// How long a source port cannot be reused towards the same virtual address and port:
/// `TCP_TIMEWAIT_LEN`, with a margin.
const TIME_WAIT: Duration = Duration::from_secs(63);

/// The purpose of a private service, as far as the kernel can return it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Content {
    family: Family,
    group: u32,
    port: u16,
    server: IpAddr,
    forward: ForwardMethod,
    tunnel: ipvs::Tunnel,
}

/// A slot in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    content: Content,
    /// The number of blocks, at least 1.
    blocks: u16,
    /// Whether checks have gone this way.
    open: bool,
}

/// A returned slot whose connection entries may be alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resting {
    slot: u32,
    taken: Taken,
    until: BootTime,
    /// Whether its entries may lead anywhere: it then rests from its own door too.
    spoilt: bool,
}

#[derive(Debug)]
pub(super) struct Slots {
    marks: MarkRange,
    /// The first source port.
    base: u16,
    /// The number of blocks.
    blocks: u16,
    taken: BTreeMap<u32, Taken>,
    resting: Vec<Resting>,
    /// The doors of the last assignment.
    doors: BTreeMap<Door, u32>,
}

impl Slots {
    pub(super) fn new(marks: MarkRange, (first, last): (u16, u16)) -> Self {
        let ports = u32::from(last.saturating_sub(first)) + 1;
        Self {
            marks,
            base: first,
            blocks: u16::try_from(ports / u32::from(BLOCK)).unwrap_or(u16::MAX),
            taken: BTreeMap::new(),
            resting: Vec::new(),
            doors: BTreeMap::new(),
        }
    }

    /// Learns the private services that an earlier run left.
    pub(super) fn recover(&mut self, observed: &BTreeMap<ServiceKey, ObservedService>) {
        for (key, service) in observed {
            let ServiceKey::Fwmark { mark, .. } = key else {
                continue;
            };
            let slot = mark.get().checked_sub(self.marks.first);
            let slot = slot.filter(|slot| *slot < self.size() && !self.taken.contains_key(slot));
            if let (Some(slot), Some(taken)) = (slot, Taken::read(key, service)) {
                self.taken.insert(slot, taken);
            }
        }
    }

    /// Rests slots whose private service is missing although checks go through it: without it,
    /// packets went to any server of the ordinary service, and the ports still do.
    pub(super) fn spoil(
        &mut self,
        observed: &BTreeMap<ServiceKey, ObservedService>,
        lifetime: Duration,
        now: BootTime,
    ) {
        let (first, until) = (self.marks.first, now.after(lifetime));
        let resting = &mut self.resting;
        self.taken.retain(|slot, taken| {
            let right = taken.write(first + slot).is_some_and(|wanted| {
                let there = observed.get(&wanted.0.key);
                there.is_some_and(|there| is_right(there, &wanted))
            });
            let stays = right || !taken.open;
            if !stays {
                resting.push(Resting {
                    slot: *slot,
                    taken: *taken,
                    until,
                    spoilt: true,
                });
            }
            stays
        });
    }

    /// Records that checks go through all slots from now on.
    pub(super) fn opened(&mut self) {
        for taken in self.taken.values_mut() {
            taken.open = true;
        }
    }

    /// Assigns a slot to every wish, and takes back unused ones. Returns the wishes left without.
    pub(super) fn assign(
        &mut self,
        wishes: &[Wish],
        lifetime: Duration,
        now: BootTime,
    ) -> Vec<(Door, Refused)> {
        self.resting.retain(|resting| resting.until > now);
        let wanted = combine(wishes);
        self.give_back(&wanted, now.after(lifetime));
        let mut busy = self.busy();
        let mut refused = Vec::new();
        self.doors.clear();
        let held: BTreeMap<Door, u32> = self.held(&wanted);
        for (door, (content, blocks)) in wanted {
            let slot = match held.get(&door) {
                Some(slot) => Ok(*slot),
                None => self.find(&door, &content, blocks, &busy),
            };
            match slot {
                Ok(slot) => {
                    let blocks = self.revive(slot, &content).max(blocks);
                    let ring = self.ring(slot, blocks);
                    busy.entry(content.group).or_default().extend(ring);
                    let open = self.taken.get(&slot).is_some_and(|taken| taken.open);
                    let taken = Taken {
                        content,
                        blocks,
                        open,
                    };
                    self.taken.insert(slot, taken);
                    self.doors.insert(door, slot);
                }
                Err(why) => refused.push((door, why)),
            }
        }
        refused
    }

    /// The ways, by door.
    pub(super) fn passages(&self, now: BootTime) -> BTreeMap<Door, Passage> {
        // Start elsewhere each time: the first ports may be the last ones used.
        let start = u32::try_from(now.0.as_millis() & 0xffff).unwrap_or(0);
        let way = |slot: u32, taken: &Taken| {
            let ports = Ports {
                base: self.base,
                ring: self.blocks * BLOCK,
                offset: self.first_block(slot) * BLOCK,
                count: taken.blocks * BLOCK,
            };
            Passage::new(self.marks.first + slot, ports, start)
        };
        let doors = self.doors.iter();
        doors
            .filter_map(|(door, slot)| Some((*door, way(*slot, self.taken.get(slot)?))))
            .collect()
    }

    /// The operations that make the kernel's private services match these.
    pub(super) fn operations(
        &self,
        observed: &BTreeMap<ServiceKey, ObservedService>,
    ) -> Vec<Operation> {
        let wanted: BTreeMap<ServiceKey, (Service, Server)> = self
            .taken
            .iter()
            .filter_map(|(slot, taken)| taken.write(self.marks.first + slot))
            .map(|(service, server)| (service.key, (service, server)))
            .collect();
        let stands = |key: &ServiceKey, there: &ObservedService| {
            wanted
                .get(key)
                .is_some_and(|wanted| is_right(there, wanted))
        };
        // Correct except for the number of its ports.
        let grows = |key: &ServiceKey, there: &ObservedService| {
            let mut weights = there.servers.values().map(|entry| entry.server.weight);
            weights.next().is_some_and(|weight| {
                let wanted = wanted.get(key);
                wanted.is_some_and(|(service, server)| {
                    is_right(there, &(*service, server.weight(weight)))
                })
            })
        };
        let wrong = observed
            .iter()
            .filter(|(key, there)| !stands(key, there) && !grows(key, there));
        let mut operations: Vec<_> = wrong
            .map(|(key, _)| Operation::DeleteService(*key))
            .collect();
        for (key, (service, server)) in &wanted {
            match observed.get(key) {
                Some(there) if stands(key, there) => {}
                // In use: its packets must not lose the service for a moment.
                Some(there) if grows(key, there) => {
                    operations.push(Operation::UpdateServer(*key, *server));
                }
                _ => {
                    operations.push(Operation::AddService(*service));
                    operations.push(Operation::AddServer(*key, *server));
                }
            }
        }
        operations
    }

    /// Rests slots that are no longer wished for, and those that need more ports than are free next
    /// to them. None shrinks, since entries may exist in its ports.
    fn give_back(&mut self, wanted: &BTreeMap<Door, (Content, u16)>, until: BootTime) {
        let wanted: HashMap<Content, u16> = wanted.values().copied().collect();
        let rest = |slot: u32, taken: Taken| Resting {
            slot,
            taken,
            until,
            spoilt: false,
        };
        // An earlier run may have left one twice.
        let mut seen = HashSet::new();
        let resting = &mut self.resting;
        self.taken.retain(|slot, taken| {
            let stays = wanted.contains_key(&taken.content) && seen.insert(taken.content);
            if !stays {
                resting.push(rest(*slot, *taken));
            }
            stays
        });
        let mut busy = self.busy();
        for (slot, taken) in self.taken.clone() {
            let blocks = wanted.get(&taken.content).copied().unwrap_or(0);
            if blocks <= taken.blocks {
                continue;
            }
            let busy = busy.entry(taken.content.group).or_default();
            let mut more = self.ring(slot, blocks).skip(taken.blocks.into());
            if blocks <= self.blocks && more.all(|block| !busy.contains(&block)) {
                busy.extend(self.ring(slot, blocks));
                self.taken.insert(slot, Taken { blocks, ..taken });
            } else {
                self.taken.remove(&slot);
                self.resting.push(rest(slot, taken));
            }
        }
    }

    /// The number of blocks of a slot, now or when it was returned; it is no longer resting
    /// afterwards.
    fn revive(&mut self, slot: u32, content: &Content) -> u16 {
        let mut blocks = self.taken.get(&slot).map_or(0, |taken| taken.blocks);
        self.resting.retain(|resting| {
            let same = resting.slot == slot && resting.taken.content == *content && !resting.spoilt;
            if same {
                blocks = blocks.max(resting.taken.blocks);
            }
            !same
        });
        blocks
    }

    /// The slots that doors already have.
    fn held(&self, wanted: &BTreeMap<Door, (Content, u16)>) -> BTreeMap<Door, u32> {
        let by_content: HashMap<Content, u32> = self
            .taken
            .iter()
            .map(|(slot, taken)| (taken.content, *slot))
            .collect();
        let slot = |content| by_content.get(content).copied();
        wanted
            .iter()
            .filter_map(|(door, (content, _))| Some((*door, slot(content)?)))
            .collect()
    }

    /// The blocks of each group that are not free.
    fn busy(&self) -> BTreeMap<u32, BTreeSet<u16>> {
        let mut busy: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
        let taken = self.taken.iter().map(|(slot, taken)| (*slot, *taken));
        let resting = self
            .resting
            .iter()
            .map(|resting| (resting.slot, resting.taken));
        for (slot, taken) in taken.chain(resting) {
            busy.entry(taken.content.group)
                .or_default()
                .extend(self.ring(slot, taken.blocks));
        }
        busy
    }

    /// A slot for a door that has none.
    fn find(
        &self,
        door: &Door,
        content: &Content,
        blocks: u16,
        busy: &BTreeMap<u32, BTreeSet<u16>>,
    ) -> Result<u32, Refused> {
        // Its own earlier slot: its entries lead to the right server.
        let own = self.resting.iter().find(|resting| {
            resting.taken.content == *content
                && !resting.spoilt
                && resting.taken.blocks >= blocks
                && !self.taken.contains_key(&resting.slot)
        });
        if let Some(own) = own {
            return Ok(own.slot);
        }
        let none = BTreeSet::new();
        let busy = busy.get(&content.group).unwrap_or(&none);
        let free = usize::from(self.blocks).saturating_sub(busy.len());
        let no_ports = Refused::NoPorts {
            to: door.to,
            needed: usize::from(blocks) * usize::from(BLOCK),
            free: free * usize::from(BLOCK),
        };
        if usize::from(blocks) > free {
            return Err(no_ports);
        }
        let fits = |slot: u32| self.ring(slot, blocks).all(|block| !busy.contains(&block));
        let start = content.hash() % self.size();
        let slots =
            (0..self.size()).map(|n| (u64::from(start) + u64::from(n)) % u64::from(self.size()));
        let mut any_free = false;
        for slot in slots.filter_map(|slot| u32::try_from(slot).ok()) {
            if self.taken.contains_key(&slot) {
                continue;
            }
            any_free = true;
            if fits(slot) {
                return Ok(slot);
            }
        }
        Err(if any_free { no_ports } else { Refused::NoMark })
    }

    /// The number of slots.
    fn size(&self) -> u32 {
        (self.marks.last - self.marks.first).saturating_add(1)
    }

    fn first_block(&self, slot: u32) -> u16 {
        u16::try_from(slot % u32::from(self.blocks.max(1))).unwrap_or(0)
    }

    /// The blocks of a slot of this width.
    fn ring(&self, slot: u32, blocks: u16) -> impl Iterator<Item = u16> + use<> {
        let (first, all) = (
            u32::from(self.first_block(slot)),
            u32::from(self.blocks.max(1)),
        );
        (0..u32::from(blocks)).filter_map(move |n| u16::try_from((first + n) % all).ok())
    }
}

/// Whether a private service has the right settings and server.
fn is_right(there: &ObservedService, (service, server): &(Service, Server)) -> bool {
    let mut servers = there.servers.values().map(|entry| &entry.server);
    there.service == *service && servers.next() == Some(server) && servers.next().is_none()
}

/// What each door needs. Checks that share a door share its ports.
fn combine(wishes: &[Wish]) -> BTreeMap<Door, (Content, u16)> {
    let mut needed: BTreeMap<Door, (Content, u128)> = BTreeMap::new();
    for wish in wishes {
        let ports = wish.every.map_or(1, |every| {
            TIME_WAIT.as_nanos().div_ceil(every.as_nanos().max(1)) + 1
        });
        let (_, sum) = needed
            .entry(wish.door)
            .or_insert_with(|| (Content::of(wish), 0));
        *sum = sum.saturating_add(ports);
    }
    let blocks = |ports: u128| u16::try_from(ports.div_ceil(BLOCK.into())).unwrap_or(u16::MAX);
    needed
        .into_iter()
        .map(|(door, (content, ports))| (door, (content, blocks(ports))))
        .collect()
}

impl Content {
    fn of(wish: &Wish) -> Self {
        Self {
            family: wish.door.family(),
            group: fingerprint(&wish.door.to),
            port: wish.door.to.port(),
            server: wish.door.server,
            forward: wish.forward,
            tunnel: wish.tunnel,
        }
    }

    fn hash(&self) -> u32 {
        let mut hasher = Fnv::new();
        Hash::hash(self, &mut hasher);
        hasher.folded()
    }
}

impl Taken {
    /// Decodes the kernel's service; `None` if it is incomplete.
    fn read(key: &ServiceKey, service: &ObservedService) -> Option<Self> {
        let mut servers = service.servers.values();
        let entry = servers.next().filter(|_| servers.next().is_none())?;
        let server = entry.server;
        let content = Content {
            family: key.family(),
            group: service.service.timeout,
            port: server.key.port,
            server: server.key.address,
            forward: server.forward,
            tunnel: server.tunnel,
        };
        let blocks = u16::try_from(server.weight.get()).ok()?.max(1);
        // Its earlier use is unknown; in its current state it is correct.
        Some(Self {
            content,
            blocks,
            open: false,
        })
    }

    /// Encodes it for the kernel. The only server's weight has no effect on the scheduler, as long
    /// as it is not 0.
    fn write(&self, mark: u32) -> Option<(Service, Server)> {
        let content = &self.content;
        let key = ServiceKey::fwmark(content.family, Fwmark::new(mark)?);
        let mut service = Service::new(key, Service::RR);
        service.timeout = content.group;
        let server = ServerKey::new(content.server, content.port);
        let server = Server::new(server, content.forward)
            .tunnel(content.tunnel)
            .weight(Weight::new(self.blocks.into())?);
        Some((service, server))
    }
}

/// A virtual address and port as a 22-bit number: the kernel multiplies a timeout by its ticks per
/// second, up to 1,000, and keeps 32 bits of that. Two groups with one number are treated as one,
/// which only costs ports.
fn fingerprint(to: &std::net::SocketAddr) -> u32 {
    let mut hasher = Fnv::new();
    match to.ip() {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.write(&to.port().to_be_bytes());
    // Never 0, which other services have.
    (hasher.folded() & 0x003f_ffff).max(1)
}

/// FNV-1a: the same in every build, which the standard library's hash does not guarantee.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn folded(&self) -> u32 {
        u32::try_from((self.0 ^ (self.0 >> 32)) & 0xffff_ffff).unwrap_or(0)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests;
