//! The journal: it stands on disk while a plan is under way.
//!
//! If the program ends in the middle, the next one finds it and knows what was begun. It does not
//! need to know how far that came: a plan made from the tables as they are leads to what is
//! declared from anywhere. What the tables cannot tell is who owns the services that the
//! interrupted run made, and until when its servers drain; that is in here.

use ipvs::Operation;
use serde::{Deserialize, Serialize};

use super::incarnation::Incarnation;
use super::ledger::Ledger;
use super::store::{Store, StoreError};
use crate::plan::{Change, Plan};
use crate::state::{Observed, Ownership, Sysctl};

const FILE: &str = "journal.json";

/// A plan that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    version: u32,
    incarnation: Incarnation,
    /// The process that began it.
    pub pid: u32,
    /// What was to be done.
    pub changes: Vec<Record>,
    /// The ledger as it was to be afterwards.
    after: Ledger,
}

/// A [`Change`] as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An operation on the tables, and what undoes it.
    Operation {
        /// What was to be done.
        operation: Operation,
        /// What gives back the configuration from before.
        undo: Vec<Record>,
    },
    /// An operation that undoes another.
    Undo(Operation),
    /// A sysctl, by the name of its file.
    Sysctl {
        /// Which.
        name: String,
        /// Its new value.
        value: String,
    },
}

impl Journal {
    /// The journal of a plan, before it is begun.
    #[must_use]
    pub fn of(plan: &Plan, incarnation: &Incarnation) -> Self {
        let record = |step: &crate::plan::Step| match &step.change {
            Change::Operation(operation) => Record::Operation {
                operation: *operation,
                undo: step.undo.iter().map(undo).collect(),
            },
            Change::Sysctl { sysctl, value } => sysctl_record(*sysctl, value),
        };
        Self {
            version: 1,
            incarnation: incarnation.clone(),
            pid: std::process::id(),
            changes: plan.steps.iter().map(record).collect(),
            after: Ledger::new(incarnation, &plan.ownership),
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
        let mut ownership = before;
        for (key, owned) in after.services {
            if observed.services.contains_key(&key) {
                ownership.services.entry(key).or_insert(owned);
            }
        }
        for ((service, server), until) in after.drains {
            let there = observed.services.get(&service);
            if there.is_some_and(|service| service.servers.contains_key(&server)) {
                ownership.drains.entry((service, server)).or_insert(until);
            }
        }
        for (service, until) in after.leaving {
            if observed.services.contains_key(&service) {
                ownership.leaving.entry(service).or_insert(until);
            }
        }
        ownership
    }
}

fn undo(change: &Change) -> Record {
    match change {
        Change::Operation(operation) => Record::Undo(*operation),
        Change::Sysctl { sysctl, value } => sysctl_record(*sysctl, value),
    }
}

fn sysctl_record(sysctl: Sysctl, value: &str) -> Record {
    Record::Sysctl {
        name: sysctl.name().to_owned(),
        value: value.to_owned(),
    }
}
