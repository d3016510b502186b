//! What director owns, and whether the ledger on disk is up to date.

use std::time::Duration;

use ipvs::ServiceKey;

use crate::daemon::messages::Member;
use crate::state::{BootTime, Owned, Ownership};

/// The shortest interval between writes of the ledger: many drains may begin and end one after
/// another.
const PACE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Holdings {
    ownership: Ownership,
    /// Whether the ledger on disk is out of date.
    changed: bool,
    /// The earliest time of the next write.
    earliest: BootTime,
}

impl Holdings {
    pub(super) const fn all(&self) -> &Ownership {
        &self.ownership
    }

    pub(super) fn service(&self, key: &ServiceKey) -> Option<&Owned> {
        self.ownership.services.get(key)
    }

    /// Whether a server of a service is draining.
    pub(super) fn drains(&self, key: &ServiceKey) -> bool {
        let ownership = &self.ownership;
        ownership.leaving.contains_key(key) || ownership.drains_of(key).next().is_some()
    }

    /// The number of draining servers and services.
    pub(super) fn draining(&self) -> usize {
        self.ownership.drains.len() + self.ownership.leaving.len()
    }

    /// The deadline of a draining server.
    pub(super) fn drain_deadline(&self, member: &Member) -> Option<BootTime> {
        let leaving = self.ownership.leaving.get(&member.0);
        self.ownership.drains.get(member).or(leaving).copied()
    }

    /// Takes over the ledger's contents at the start.
    pub(super) fn adopt(&mut self, ownership: Ownership) {
        self.ownership = ownership;
    }

    /// Owns a service that no file has declared.
    pub(super) fn claim(&mut self, key: ServiceKey) {
        self.ownership.services.insert(key, Owned::undeclared(&key));
    }

    /// A plan for these services is about to be carried out. A service that it deletes stays owned
    /// until it is gone; if the deletion fails, it must not become foreign.
    pub(super) fn plan(&mut self, keys: &[ServiceKey], after: Ownership) {
        for key in keys {
            self.ownership.end_drains(key);
        }
        self.ownership.merge(after);
        self.changed = true;
    }

    /// A transaction that wrote the ledger replaces the ownership of these services.
    pub(super) fn replace(&mut self, keys: &[ServiceKey], after: Ownership) {
        for key in keys {
            self.ownership.remove(key);
        }
        self.ownership.merge(after);
    }

    /// Forgets a deleted service.
    pub(super) fn forget(&mut self, key: &ServiceKey) {
        self.changed |= self.ownership.remove(key);
    }

    /// Records that the ledger on disk is out of date.
    pub(super) const fn is_out_of_date(&mut self) {
        self.changed = true;
    }

    /// The ledger could not be written; tries again at `again`.
    pub(super) const fn not_written(&mut self, again: BootTime) {
        self.changed = true;
        self.earliest = again;
    }

    /// When the ledger has to be written.
    pub(super) fn due(&self) -> Option<BootTime> {
        self.changed.then_some(self.earliest)
    }

    /// The contents to write, if the ledger has to be written.
    pub(super) fn take_changed(&mut self) -> Option<Box<Ownership>> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| Box::new(self.ownership.clone()))
    }

    /// The ledger is being written: defers the next write.
    pub(super) fn pace(&mut self, now: BootTime) {
        self.earliest = now.after(PACE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_owned_until_it_is_gone_and_the_ledger_follows_at_a_pace() {
        let key = ServiceKey::tcp([192, 0, 2, 1], 80);
        let at = |seconds| BootTime(Duration::from_secs(seconds));
        let mut holdings = Holdings::default();
        holdings.claim(key);
        assert_eq!(holdings.due(), None);
        let mut leaving = holdings.all().clone();
        leaving.leaving.insert(key, at(60));
        holdings.plan(&[key], leaving.clone());
        assert!(holdings.drains(&key));
        assert_eq!(holdings.due(), Some(at(0)));
        holdings.pace(at(5));
        assert_eq!(*holdings.take_changed().unwrap(), leaving);
        assert_eq!(holdings.take_changed(), None);

        holdings.plan(&[key], Ownership::default());
        assert!(holdings.service(&key).is_some(), "its deletion may fail");
        assert!(!holdings.drains(&key));
        assert_eq!(holdings.due(), Some(at(6)));
        holdings.forget(&key);
        assert_eq!(*holdings.all(), Ownership::default());
    }
}
