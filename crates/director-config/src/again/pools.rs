//! Which services use which pools.
//!
//! The warning about an unused pool or pool server concerns all services together. If some of them
//! are not read, it cannot be decided for the pools that these use; nor need it be, since there was
//! no such warning before. Hence either all services that share a pool are read and the pool is
//! checked, or none are and it is not.

use std::collections::BTreeSet;

use super::super::load::Use;
use super::file::Changed;

/// All uses.
#[derive(Debug, Default)]
pub(super) struct Uses(Vec<Use>);

impl Uses {
    pub(super) fn of(uses: &mut Vec<Use>) -> Self {
        Self(std::mem::take(uses))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the services that use a changed pool, or a pool that a changed service uses or used.
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

    /// The pools that services other than these use.
    pub(super) fn of_others(&self, services: &BTreeSet<String>) -> BTreeSet<String> {
        let others = self.0.iter();
        let others = others.filter(|(service, _)| !services.contains(service));
        others.map(|(_, pool)| pool.clone()).collect()
    }

    /// Replaces the uses of these services by those just read.
    pub(super) fn replace(&mut self, services: &BTreeSet<String>, read: &mut Vec<Use>) {
        self.0.retain(|(service, _)| !services.contains(service));
        self.0.append(read);
    }
}
