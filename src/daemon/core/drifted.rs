//! Differences between the kernel and the declaration that director only reports (`policy.drift`),
//! and what this kernel lacks. `status` shows them until they are gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::Core;
use super::reconcile::differences;
use crate::control::Now;
use crate::control::snapshot::Difference;
use crate::state::{ObservedServer, ObservedService, Sysctl};

/// What differs, and stays so.
#[derive(Debug, Default)]
pub(super) struct Drifted {
    services: BTreeMap<ServiceKey, Arc<str>>,
    settings: Option<Arc<str>>,
    lacking: Arc<[Sysctl]>,
}

impl Drifted {
    /// Whether the kernel is as declared, as far as it can be.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.settings.is_none()
    }

    /// The services that differ.
    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.keys()
    }

    /// Another program changed a service, and director leaves that.
    pub(super) fn left(&mut self, key: ServiceKey) {
        self.services.entry(key).or_default();
    }

    /// Whether this service differs.
    pub(super) fn has(&self, key: &ServiceKey) -> bool {
        self.services.contains_key(key)
    }

    /// Takes what differs in the settings; returns whether that is news.
    pub(super) fn settings(&mut self, text: Option<String>) -> bool {
        let text: Option<Arc<str>> = text.map(Arc::from);
        let is_news = self.settings != text;
        self.settings = text;
        is_news
    }

    /// Takes the declared sysctls that this kernel does not have; returns whether that is news.
    pub(super) fn lacks(&mut self, lacking: &[Sysctl]) -> bool {
        let is_news = *self.lacking != *lacking;
        if is_news {
            self.lacking = Arc::from(lacking);
        }
        is_news
    }

    pub(super) fn lacking(&self) -> Arc<[Sysctl]> {
        Arc::clone(&self.lacking)
    }
}

impl Core {
    /// Looks whether a service still differs from what it should be.
    pub(super) fn look_at_drift(&mut self, key: &ServiceKey, now: Now) {
        if !self.drifted.has(key) {
            return;
        }
        let text = self.difference(key, now).filter(|text| !text.is_empty());
        match text {
            Some(text) => drop(self.drifted.services.insert(*key, text.into())),
            None => drop(self.drifted.services.remove(key)),
        }
    }

    /// What differs in a declared service, for people.
    fn difference(&self, key: &ServiceKey, now: Now) -> Option<String> {
        let wanted = self.overlaid(key, now)?.wanted;
        let mut expected = ObservedService::new(wanted.service);
        for server in wanted.servers.values() {
            expected.add(ObservedServer::idle(server.server));
        }
        let there = self.believed.get(key).cloned().map(|mut there| {
            // Those that drain go by themselves.
            let drains: Vec<_> = there.servers.keys().copied().collect();
            for server in drains {
                let member = (*key, server);
                if self.holdings.drain_deadline(&member).is_some() {
                    there.remove(&server);
                    expected.remove(&server);
                }
            }
            there
        });
        Some(differences(&expected, there.as_ref()).join(", "))
    }

    /// What differs, for the snapshot.
    pub(super) fn all_drift(&self) -> Arc<[Difference]> {
        let settings = self.drifted.settings.iter().map(|text| Difference {
            listen: None,
            name: None,
            text: Arc::clone(text),
        });
        let services = self.drifted.services.iter();
        let services = services.filter(|(_, text)| !text.is_empty());
        let services = services.map(|(key, text)| Difference {
            listen: Some(*key),
            name: self.name_of(key),
            text: Arc::clone(text),
        });
        settings.chain(services).collect()
    }
}
