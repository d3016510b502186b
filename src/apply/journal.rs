//! The journal: on disk while a plan is in progress.
//!
//! If the program ends halfway, the next one finds the journal and knows what was begun. It does
//! not need to know how far the plan got: a plan made from the current tables leads to the
//! declaration from anywhere. What the tables cannot tell is who owns the services that the
//! interrupted run created, and until when its servers drain. The journal records that, and the
//! earlier state of every changed or deleted object. (Created objects have none.)

use ipvs::ServiceKey;
use serde::{Deserialize, Serialize};

use super::incarnation::Incarnation;
use super::ledger::Ledger;
use super::record::Record;
use super::store::{Store, StoreError, Versioned};
use crate::plan::{Plan, Step};
use crate::state::{Observed, Ownership};

const FILE: &str = "journal.json";

/// A plan that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    version: u32,
    incarnation: Incarnation,
    /// The process that began it.
    pub pid: u32,
    /// The number of changes in the plan.
    pub changes: usize,
    /// The changes that restore what is changed or deleted, in order.
    pub before: Vec<Record>,
    /// The ledger after the plan.
    after: Ledger,
}

impl Versioned for Journal {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Journal {
    /// The journal for a plan, before it begins.
    #[must_use]
    pub fn of(plan: &Plan, incarnation: &Incarnation) -> Self {
        // New services have no earlier state.
        let steps = plan.steps.others().rev();
        let undo = steps.filter_map(Step::changes_back).flatten();
        Self {
            version: 1,
            incarnation: incarnation.clone(),
            pid: std::process::id(),
            changes: plan.steps.len(),
            before: undo.map(Record::from).collect(),
            after: Ledger::new(incarnation, &[&plan.ownership]),
        }
    }

    /// Writes the journal to disk; when this returns, it survives a power cut.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub fn begin(&self, store: &Store) -> Result<(), StoreError> {
        store.write(FILE, self)
    }

    /// Removes the journal after the plan has succeeded or was rolled back.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be removed.
    pub fn end(store: &Store) -> Result<(), StoreError> {
        store.remove(FILE)
    }

    /// The journal of an interrupted run in the same incarnation.
    ///
    /// # Errors
    /// [`StoreError`] if it exists and cannot be read.
    pub fn interrupted(
        store: &Store,
        incarnation: &Incarnation,
    ) -> Result<Option<Self>, StoreError> {
        let journal: Option<Self> = store.read(FILE)?;
        Ok(journal.filter(|journal| journal.incarnation == *incarnation))
    }

    /// The ownership after an interrupted run: the earlier ownership, and those objects of the run
    /// that exist in the kernel.
    #[must_use]
    pub fn recover(self, before: Ownership, observed: &Observed) -> Ownership {
        let after = self.after.into_ownership();
        let there = |key: &ServiceKey| observed.services.contains_key(key);
        let (mut ownership, _) = after.partition(there);
        ownership.drains.retain(|(service, server), _| {
            let service = observed.services.get(service);
            service.is_some_and(|service| service.servers.contains_key(server))
        });
        ownership.merge(before);
        ownership
    }
}
