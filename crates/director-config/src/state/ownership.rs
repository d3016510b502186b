//! What director owns, and what is leaving.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};

use super::DesiredService;

/// Time since boot, including suspends (`CLOCK_BOOTTIME`). Deadlines use it, as the tables live
/// exactly as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// This time later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// The time left until `then`; zero if it has passed.
    #[must_use]
    pub fn until(self, then: Self) -> Duration {
        then.0.saturating_sub(self.0)
    }
}

/// What director owns, according to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// The virtual services that it created or adopted. All others are foreign.
    pub services: BTreeMap<ServiceKey, Owned>,
    /// Servers that stay at weight 0 until their connections are gone, or until this time.
    pub drains: BTreeMap<(ServiceKey, ServerKey), BootTime>,
    /// Services in which this holds for every server.
    pub leaving: BTreeMap<ServiceKey, BootTime>,
}

impl Ownership {
    /// The draining servers of a service, and their deadlines.
    pub fn drains_of(&self, key: &ServiceKey) -> impl Iterator<Item = (ServerKey, BootTime)> {
        let key = *key;
        // No server key sorts before this one.
        let first = (key, ServerKey::new([0, 0, 0, 0], 0));
        let from = self.drains.range(first..);
        from.take_while(move |((service, _), _)| *service == key)
            .map(|((_, server), until)| (*server, *until))
    }

    /// The part about these services.
    #[must_use]
    pub fn of<'k>(&self, keys: impl IntoIterator<Item = &'k ServiceKey>) -> Self {
        let mut part = Self::default();
        for key in keys {
            if let Some(owned) = self.services.get(key) {
                part.services.insert(*key, owned.clone());
            }
            if let Some(until) = self.leaving.get(key) {
                part.leaving.insert(*key, *until);
            }
            let drains = self.drains_of(key);
            part.drains
                .extend(drains.map(|(server, until)| ((*key, server), until)));
        }
        part
    }

    /// Splits it into the services that `ours` selects, and the rest.
    #[must_use]
    pub fn partition(self, ours: impl Fn(&ServiceKey) -> bool) -> (Self, Self) {
        let services = self.services.into_iter().partition(|(key, _)| ours(key));
        let drains = self.drains.into_iter();
        let drains = drains.partition(|((key, _), _)| ours(key));
        let leaving = self.leaving.into_iter().partition(|(key, _)| ours(key));
        let part = |services, drains, leaving| Self {
            services,
            drains,
            leaving,
        };
        (
            part(services.0, drains.0, leaving.0),
            part(services.1, drains.1, leaving.1),
        )
    }

    /// Adds another part; where both have an entry, the other one wins.
    pub fn merge(&mut self, other: Self) {
        self.services.extend(other.services);
        self.drains.extend(other.drains);
        self.leaving.extend(other.leaving);
    }

    /// Forgets a service and its drains; returns whether anything was known of it.
    pub fn remove(&mut self, key: &ServiceKey) -> bool {
        let owned = self.services.remove(key).is_some();
        let leaving = self.leaving.contains_key(key);
        self.end_drains(key);
        owned || leaving
    }

    /// Forgets the drains of a service, which stays owned.
    pub fn end_drains(&mut self, key: &ServiceKey) {
        self.leaving.remove(key);
        let servers: Vec<_> = self.drains_of(key).map(|(server, _)| server).collect();
        for server in servers {
            self.drains.remove(&(*key, server));
        }
    }

    /// Makes services that leave from now on go immediately, rather than when their connections
    /// have ended.
    pub fn waive_drains(&mut self) {
        for owned in self.services.values_mut() {
            owned.drain = Duration::ZERO;
        }
        self.leaving.clear();
    }
}

/// The record of an owned service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Its name in the file that declared it.
    pub name: Arc<str>,
    /// How long its servers keep their connections when they leave, for when the service is no
    /// longer in the file.
    pub drain: Duration,
}

impl Owned {
    /// The record of a service that no file has declared: its key is its name.
    pub fn undeclared(key: &ServiceKey) -> Self {
        Self {
            name: key.to_string().into(),
            drain: DesiredService::DEFAULT_DRAIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(host: u8) -> ServiceKey {
        ServiceKey::tcp([192, 0, 2, host], 80)
    }

    /// The ownership of these services: each is owned, leaving, and has two draining servers.
    fn owned(hosts: &[u8]) -> Ownership {
        let mut ownership = Ownership::default();
        for host in hosts {
            let key = service(*host);
            ownership.services.insert(key, Owned::undeclared(&key));
            ownership.leaving.insert(key, BootTime::default());
            for address in ["0.0.0.0", "2001:db8::1"] {
                let server = ServerKey::new(address.parse::<std::net::IpAddr>().unwrap(), 0);
                ownership.drains.insert((key, server), BootTime::default());
            }
        }
        ownership
    }

    #[test]
    fn parts_by_service_are_all_of_it_once_merged() {
        let all = owned(&[1, 2, 3]);
        assert_eq!(all.of([&service(2), &service(9)]), owned(&[2]));
        let (mut two, others) = all.clone().partition(|key| *key == service(2));
        assert_eq!((&two, &others), (&owned(&[2]), &owned(&[1, 3])));
        two.merge(others);
        assert_eq!(two, all);
    }

    #[test]
    fn one_service_is_forgotten_with_its_drains_and_no_other_is() {
        let mut ownership = owned(&[1, 2, 3]);
        ownership.end_drains(&service(2));
        assert!(ownership.services.contains_key(&service(2)));
        assert_eq!(ownership.drains_of(&service(2)).count(), 0);
        assert!(ownership.remove(&service(2)));
        assert!(!ownership.remove(&service(2)), "nothing is left of it");
        assert_eq!(ownership, owned(&[1, 3]));
    }
}
