//! What a check needs on its way through the forwarding path.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Door, Refused};

/// The way through one door.
#[derive(Debug)]
pub struct Passage {
    /// The mark of its private service.
    pub mark: u32,
    ports: Ports,
    /// The number of checks that went this way.
    used: AtomicU32,
}

/// Source ports in rotation: those of consecutive blocks, with the range as a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// The first port of the range.
    pub(super) base: u16,
    /// The range's length.
    pub(super) ring: u16,
    /// The start within the range.
    pub(super) offset: u16,
    /// The number of ports, at least 1.
    pub(super) count: u16,
}

impl Ports {
    /// The `n`-th port in rotation.
    pub(super) fn nth(&self, n: u32) -> u16 {
        let n = n % u32::from(self.count.max(1));
        let at = (u32::from(self.offset) + n) % u32::from(self.ring.max(1));
        // The range lies within 65,535.
        self.base
            .saturating_add(u16::try_from(at).unwrap_or(u16::MAX))
    }
}

impl Passage {
    /// `start` is the start of the rotation: not always the first port, which the previous run has
    /// just used.
    pub(super) fn new(mark: u32, ports: Ports, start: u32) -> Self {
        Self {
            mark,
            ports,
            used: AtomicU32::new(start % u32::from(ports.count.max(1))),
        }
    }

    /// Whether it is the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.mark == other.mark && self.ports == other.ports
    }

    /// The source port of the next check.
    #[must_use]
    pub fn next_port(&self) -> u16 {
        // 2^32 is not a multiple of every count: once in a lifetime a port comes up early.
        self.ports.nth(self.used.fetch_add(1, Ordering::Relaxed))
    }

    /// The number of source ports.
    #[must_use]
    pub fn ports(&self) -> u16 {
        self.ports.count
    }
}

type Ways = BTreeMap<Door, Result<Arc<Passage>, Arc<str>>>;

/// The ways through all doors: replaced by the daemon's core, used by the checks.
#[derive(Debug, Default)]
pub struct Passages(Mutex<Ways>);

impl Passages {
    /// The way through a door, or why there is none.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn through(&self, door: &Door) -> Result<Arc<Passage>, Arc<str>> {
        let ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let way = ways.get(door).cloned();
        way.unwrap_or_else(|| Err("its private service does not exist yet".into()))
    }

    /// The doors that are open.
    #[must_use]
    pub fn doors(&self) -> Vec<Door> {
        let ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = ways.iter().filter(|(_, way)| way.is_ok());
        open.map(|(door, _)| *door).collect()
    }

    /// Closes all other ways.
    pub(super) fn retain(&self, right: &BTreeMap<Door, Passage>, refused: &[(Door, Refused)]) {
        let kept = {
            let ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let still = |(door, way): (&Door, &Result<Arc<Passage>, Arc<str>>)| {
                let (way, right) = (way.as_ref().ok()?, right.get(door)?);
                way.is_same(right).then(|| (*door, Ok(Arc::clone(way))))
            };
            ways.iter().filter_map(still).collect::<Ways>()
        };
        let refused = refused.iter();
        let refused = refused.map(|(door, why)| (*door, Err(why.to_string().into())));
        let ways = refused.chain(kept).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ways;
    }

    /// Replaces all ways. One that stays continues its rotation.
    pub(super) fn replace(&self, open: BTreeMap<Door, Passage>, refused: &[(Door, Refused)]) {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Ways = refused
            .iter()
            .map(|(door, why)| (*door, Err(why.to_string().into())))
            .collect();
        for (door, passage) in open {
            let same = match ways.get(&door) {
                Some(Ok(old)) if old.is_same(&passage) => Arc::clone(old),
                _ => Arc::new(passage),
            };
            new.insert(door, Ok(same));
        }
        *ways = new;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rotation_uses_each_of_its_ports_once(
            base in 1_u16..50_000, ring in 1_u16..15_000, offset: u16, count in 1_u16..500, start: u32,
        ) {
            let (offset, count) = (offset % ring, count.min(ring));
            let ports = Ports { base, ring, offset, count };
            let passage = Passage::new(7, ports, start);
            let used: BTreeSet<u16> = (0..count).map(|_| passage.next_port()).collect();
            prop_assert_eq!(used.len(), usize::from(count));
            prop_assert!(used.iter().all(|port| (base..base + ring).contains(port)));
        }
    }

    #[test]
    fn a_way_that_stays_goes_on_in_its_rotation() {
        let door = Door {
            to: ([192, 0, 2, 10], 80).into(),
            server: [10, 0, 0, 11].into(),
        };
        let ports = Ports {
            base: 20_000,
            ring: 640,
            offset: 64,
            count: 64,
        };
        let open = || BTreeMap::from([(door, Passage::new(7, ports, 0))]);
        let passages = Passages::default();
        assert!(passages.through(&door).is_err());
        passages.replace(open(), &[]);
        assert_eq!(passages.through(&door).unwrap().next_port(), 20_064);
        passages.replace(open(), &[]);
        assert_eq!(passages.through(&door).unwrap().next_port(), 20_065);
        passages.replace(BTreeMap::new(), &[(door, Refused::NoMark)]);
        assert!(passages.through(&door).unwrap_err().contains("check_marks"));
        assert!(passages.doors().is_empty());
    }
}
