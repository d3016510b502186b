//! The kernel's tables as the core believes them to be, and how far that can be trusted.
//!
//! A service is believed to be as it was last read, plus every successful operation since.
//! [`Core::look`] re-reads one after a failed operation; the worker compares all of them once per
//! period, and only services not written in the meantime count.
//!
//! [`Core::look`]: super::Core

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ipvs::{Operation, ServiceKey};

use crate::daemon::messages::Read;
use crate::state::health::RunSettings;
use crate::state::{BootTime, ObservedServer, ObservedService};

/// Immediate re-reads of a service after a mismatch, before pauses begin.
const PATIENCE: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Believed {
    /// Declared and owned services, shared with the worker while it compares them.
    services: BTreeMap<ServiceKey, Arc<ObservedService>>,
    /// Services in the kernel that are neither declared nor owned.
    pub(super) foreign: BTreeSet<ServiceKey>,
    /// Whether persistent clients leave servers of weight 0 (`expire_quiescent_template`).
    pub(super) quiescent: bool,
    /// The number of writes so far, and the last one to each service during a reading.
    writes: u64,
    written: BTreeMap<ServiceKey, u64>,
    /// Services with a failed operation: attempts, and the earliest time of the next one.
    refused: BTreeMap<ServiceKey, (u32, BootTime)>,
    /// Refused services that the last attempt may have changed in part: not all of its failures say
    /// that the table differed from the believed one.
    unsure: BTreeSet<ServiceKey>,
    /// Whether the worker is comparing the tables.
    reading: bool,
    next_reading: BootTime,
}

impl Believed {
    pub(super) fn new(now: BootTime) -> Self {
        Self {
            next_reading: now,
            ..Self::default()
        }
    }

    pub(super) fn get(&self, key: &ServiceKey) -> Option<&ObservedService> {
        self.services.get(key).map(Arc::as_ref)
    }

    fn get_mut(&mut self, key: &ServiceKey) -> Option<&mut ObservedService> {
        self.services.get_mut(key).map(Arc::make_mut)
    }

    pub(super) fn contains(&self, key: &ServiceKey) -> bool {
        self.services.contains_key(key)
    }

    /// Stores one of our services as it was read.
    pub(super) fn insert(&mut self, key: ServiceKey, there: ObservedService) {
        self.services.insert(key, Arc::new(there));
    }

    /// Stores a service unless a newer state is known.
    pub(super) fn insert_unknown(&mut self, key: ServiceKey, there: ObservedService) {
        self.services.entry(key).or_insert_with(|| Arc::new(there));
    }

    /// Forgets a service that is about to be read; returns what was believed of it.
    pub(super) fn remove(&mut self, key: &ServiceKey) -> Option<Arc<ObservedService>> {
        self.services.remove(key)
    }

    /// Records that operations are about to be sent.
    pub(super) fn write(&mut self, operations: &[Operation]) {
        self.writes += 1;
        for service in operations.iter().filter_map(Operation::service_key) {
            self.written.insert(service, self.writes);
        }
    }

    /// Applies the effect of a successful operation.
    pub(super) fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::AddService(service) => {
                let made = ObservedService::new(*service);
                self.services.insert(service.key, Arc::new(made));
            }
            Operation::DeleteService(key) => {
                self.services.remove(key);
            }
            Operation::UpdateService(service) => {
                if let Some(there) = self.get_mut(&service.key) {
                    there.service = *service;
                }
            }
            Operation::AddServer(key, server) => {
                if let Some(there) = self.get_mut(key) {
                    there.add(ObservedServer::idle(*server));
                }
            }
            Operation::UpdateServer(key, server) => {
                let there = self.get_mut(key);
                if let Some(entry) = there.and_then(|there| there.servers.get_mut(&server.key)) {
                    entry.server = *server;
                }
            }
            Operation::DeleteServer(key, server) => {
                if let Some(there) = self.get_mut(key) {
                    there.remove(server);
                }
            }
            _ => {}
        }
    }

    /// Records that an operation on a service failed; returns how long to wait before reading it
    /// again. `stale`: the table may differ from the believed one, so an immediate reading may
    /// help.
    pub(super) fn refuse(
        &mut self,
        key: ServiceKey,
        stale: bool,
        period: Duration,
        now: BootTime,
    ) -> Duration {
        let (tries, _) = self.refused.get(&key).copied().unwrap_or_default();
        let pause = match tries {
            0..PATIENCE if stale => Duration::ZERO,
            _ => Duration::from_secs(1 << tries.min(6)).min(period.max(Duration::from_secs(1))),
        };
        let again = (tries.saturating_add(1), now.after(pause));
        self.refused.insert(key, again);
        pause
    }

    /// Records that the operations on a service succeeded.
    pub(super) fn accept(&mut self, key: &ServiceKey) {
        self.refused.remove(key);
        self.unsure.remove(key);
    }

    /// Records that a failed operation may have changed the service.
    pub(super) fn doubt(&mut self, key: ServiceKey) {
        self.unsure.insert(key);
    }

    /// Whether a difference from the believed table may be director's own doing.
    pub(super) fn is_unsure(&self, key: &ServiceKey) -> bool {
        self.unsure.contains(key)
    }

    /// Records that a service was read: from now on, what differs is by others.
    pub(super) fn is_read(&mut self, key: &ServiceKey) {
        self.unsure.remove(key);
    }

    pub(super) fn is_refused(&self, key: &ServiceKey) -> bool {
        self.refused.contains_key(key)
    }

    pub(super) fn refused(&self) -> impl Iterator<Item = &ServiceKey> {
        self.refused.keys()
    }

    /// When a refused service is tried again, if that time is still to come.
    pub(super) fn next_try(&self, key: &ServiceKey, now: BootTime) -> Option<BootTime> {
        let (_, again) = self.refused.get(key)?;
        (*again > now).then_some(*again)
    }

    /// When the tables are compared next; `None` during a comparison.
    pub(super) fn next_reading(&self) -> Option<BootTime> {
        (!self.reading).then_some(self.next_reading)
    }

    /// Compares the tables no later than `time`.
    pub(super) fn read_before(&mut self, time: BootTime) {
        self.next_reading = self.next_reading.min(time);
    }

    /// The tables for the worker to compare with.
    pub(super) fn begin_reading(&mut self, run: RunSettings) -> Read {
        self.reading = true;
        Read {
            began: self.writes,
            believed: self.services.clone(),
            run,
        }
    }

    pub(super) fn end_reading(&mut self, next: BootTime) {
        self.reading = false;
        self.next_reading = next;
    }

    /// Whether a service was written after a reading began, so that the reading may or may not show
    /// that.
    pub(super) fn is_written_since(&self, key: &ServiceKey, began: u64) -> bool {
        self.written.get(key).is_some_and(|write| *write > began)
    }

    /// Forgets writes that no later reading can miss.
    pub(super) fn forget_writes(&mut self, began: u64) {
        self.written.retain(|_, write| *write > began);
    }
}

#[cfg(test)]
mod tests {
    use ipvs::{ForwardMethod, Server, ServerKey, Service, Weight};

    use super::*;

    fn key() -> ServiceKey {
        ServiceKey::tcp([192, 0, 2, 1], 80)
    }

    fn server(weight: u32) -> Server {
        let key = ServerKey::new([10, 0, 0, 1], 80);
        let server = Server::new(key, ForwardMethod::Masquerade);
        server.weight(Weight::new(weight).unwrap())
    }

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn operations_that_succeed_are_followed_and_a_reading_keeps_what_it_began_with() {
        let mut believed = Believed::new(at(0));
        believed.follow(&Operation::AddServer(key(), server(1)));
        assert!(!believed.contains(&key()), "of a service that is not there");
        believed.follow(&Operation::AddService(Service::new(key(), Service::RR)));
        believed.follow(&Operation::AddServer(key(), server(1)));
        let read = believed.begin_reading(RunSettings::default());
        believed.follow(&Operation::UpdateServer(key(), server(7)));
        let weight = |service: &ObservedService| service.servers[&server(0).key].server.weight;
        assert_eq!(weight(believed.get(&key()).unwrap()).get(), 7);
        assert_eq!(weight(&read.believed[&key()]).get(), 1);
        believed.follow(&Operation::DeleteServer(key(), server(0).key));
        assert_eq!(believed.get(&key()).unwrap().servers.len(), 0);
        believed.follow(&Operation::DeleteService(key()));
        assert!(!believed.contains(&key()));
    }

    #[test]
    fn a_write_during_a_reading_is_remembered_until_one_that_began_later() {
        let mut believed = Believed::new(at(0));
        let delete = [Operation::DeleteService(key())];
        believed.write(&delete);
        let first = believed.begin_reading(RunSettings::default()).began;
        assert_eq!(believed.next_reading(), None);
        assert!(!believed.is_written_since(&key(), first));
        believed.write(&delete);
        assert!(believed.is_written_since(&key(), first));
        believed.forget_writes(first);
        believed.end_reading(at(30));
        assert_eq!(believed.next_reading(), Some(at(30)));
        let second = believed.begin_reading(RunSettings::default()).began;
        assert!(!believed.is_written_since(&key(), second));
    }

    #[test]
    fn a_service_that_fails_again_and_again_is_tried_less_and_less_often() {
        let mut believed = Believed::new(at(0));
        let mut pauses = |stale, times| {
            believed.accept(&key());
            let pause = |_| believed.refuse(key(), stale, Duration::from_secs(10), at(5));
            (0..times)
                .map(pause)
                .map(|pause| pause.as_secs())
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(true, 6), [0, 0, 0, 8, 10, 10]);
        assert_eq!(pauses(false, 3), [1, 2, 4]);
        assert_eq!(believed.next_try(&key(), at(5)), Some(at(9)));
        assert_eq!(believed.next_try(&key(), at(9)), None, "it is due");
        believed.accept(&key());
        assert!(!believed.is_refused(&key()));
    }
}
