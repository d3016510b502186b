//! Which services use which pools.
//!
//! That a pool, or a server of it, serves nobody is said of all services together. Where some of
//! them are not read, it cannot be told for a pool that these use; it need not be, as nothing of
//! that kind was to be said before. So of the services that share a pool either all are read, and
//! the pool is looked at, or none, and it is not.

use std::collections::BTreeSet;

use super::super::load::Use;
use super::file::Changed;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Uses(Vec<Use>);

impl Uses {
    pub(super) fn of(uses: &mut Vec<Use>) -> Self {
        Self(std::mem::take(uses))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the services that use a pool which changed, or one that a changed service uses or used.
    pub(super) fn widen(&self, changed: &mut Changed) {
        let mut pools: BTreeSet<&str> = changed.pools.iter().map(String::as_str).collect();
        loop {
            let before = (pools.len(), changed.services.len());
            for (service, pool) in &self.0 {
                if changed.services.contains(service) {
                    pools.insert(pool);
                } else if pools.contains(&**pool) {
                    changed.services.insert(service.clone());
                }
            }
            if before == (pools.len(), changed.services.len()) {
                return;
            }
        }
    }

    /// The pools that other services than these use.
    pub(super) fn of_others(&self, services: &BTreeSet<String>) -> BTreeSet<String> {
        let others = self.0.iter();
        let others = others.filter(|(service, _)| !services.contains(service));
        others.map(|(_, pool)| pool.clone()).collect()
    }

    /// What these services use is as it was read now.
    pub(super) fn replace(&mut self, services: &BTreeSet<String>, read: &mut Vec<Use>) {
        self.0.retain(|(service, _)| !services.contains(service));
        self.0.append(read);
    }
}
