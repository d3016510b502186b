//! The journal: it stands on disk while a plan is under way.
//!
//! If the program ends in the middle, the next one finds it and knows what was begun. It does not
//! need to know how far that came: a plan made from the tables as they are leads to what is
//! declared from anywhere. What the tables cannot tell is who owns the services that the
//! interrupted run made, and until when its servers drain; that is in here, beside what every
//! object that is changed or deleted was before. (What is created was not there before.)

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
    /// How many changes were to be made.
    pub changes: usize,
    /// What brings back what is changed or deleted, in the order in which it would be.
    pub before: Vec<Record>,
    /// The ledger as it was to be afterwards.
    after: Ledger,
}

impl Versioned for Journal {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Journal {
    /// The journal of a plan, before it is begun.
    #[must_use]
    pub fn of(plan: &Plan, incarnation: &Incarnation) -> Self {
        // What a new service needs was not there before.
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

    /// Puts it on disk; when this returns it survives a power cut.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn begin(&self, store: &Store) -> Result<(), StoreError> {
        store.write(FILE, self)
    }

    /// Takes it away, as the plan has ended well or was undone.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be removed.
    pub fn end(store: &Store) -> Result<(), StoreError> {
        store.remove(FILE)
    }

    /// The journal of a run that was interrupted in this life of the namespace.
    ///
    /// # Errors
    /// [`StoreError`] when there is one and it cannot be read.
    pub fn interrupted(
        store: &Store,
        incarnation: &Incarnation,
    ) -> Result<Option<Self>, StoreError> {
        let journal: Option<Self> = store.read(FILE)?;
        Ok(journal.filter(|journal| journal.incarnation == *incarnation))
    }

    /// What is owned after an interrupted run: what was before, and of what the run was to own
    /// those things that stand in the kernel.
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
