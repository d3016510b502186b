//! The pending work, and when services have to be examined again.

use std::collections::{BTreeMap, BTreeSet};

use ipvs::ServiceKey;

use crate::state::BootTime;

/// Each set is worked off in slices, in order.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Services in which something changed: to be compared with the believed tables.
    pub(super) stale: BTreeSet<ServiceKey>,
    /// Services to read first.
    pub(super) dirty: BTreeSet<ServiceKey>,
    /// Services whose part of the snapshot is out of date.
    pub(super) unseen: BTreeSet<ServiceKey>,
    pub(super) timers: Timers,
}

impl Agenda {
    /// Whether a service waits for one of these.
    pub(super) fn has(&self, key: &ServiceKey) -> bool {
        self.stale.contains(key) || self.dirty.contains(key) || self.unseen.contains(key)
    }

    /// All services that wait.
    pub(super) fn all(&self) -> BTreeSet<ServiceKey> {
        let all = self.stale.iter().chain(&self.dirty).chain(&self.unseen);
        all.copied().collect()
    }
}

/// When each service has to be examined again.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(BootTime, ServiceKey)>,
    by_service: BTreeMap<ServiceKey, BootTime>,
}

impl Timers {
    /// Sets the time of a service in place of its earlier one.
    pub(super) fn set(&mut self, key: ServiceKey, time: Option<BootTime>) {
        if let Some(before) = self.by_service.remove(&key) {
            self.by_time.remove(&(before, key));
        }
        if let Some(time) = time {
            self.by_service.insert(key, time);
            self.by_time.insert((time, key));
        }
    }

    /// Examines a service no later than `time`.
    pub(super) fn set_before(&mut self, key: ServiceKey, time: BootTime) {
        let earlier = self.by_service.get(&key).copied();
        let time = earlier.map_or(time, |earlier| earlier.min(time));
        self.set(key, Some(time));
    }

    pub(super) fn next(&self) -> Option<BootTime> {
        self.by_time.first().map(|(time, _)| *time)
    }

    pub(super) fn take_due(&mut self, now: BootTime) -> Option<ServiceKey> {
        let (time, key) = *self.by_time.first()?;
        if time > now {
            return None;
        }
        self.by_time.remove(&(time, key));
        self.by_service.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_service_has_one_timer_and_the_earliest_goes_first() {
        let [one, two] = [1, 2].map(|host| ServiceKey::tcp([192, 0, 2, host], 80));
        let at = |seconds| BootTime(Duration::from_secs(seconds));
        let mut timers = Timers::default();
        timers.set(one, Some(at(9)));
        timers.set(two, Some(at(5)));
        timers.set_before(one, at(3));
        timers.set_before(two, at(7));
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.take_due(at(2)), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.take_due(at(10))).collect();
        assert_eq!(due, [one, two]);
        timers.set(one, Some(at(1)));
        timers.set(one, None);
        assert_eq!(timers.next(), None);
    }
}
