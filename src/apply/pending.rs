//! An application that waits to be confirmed, and is undone if it is not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::carry::{Unrestored, restore};
use super::incarnation::Incarnation;
use super::journal::Journal;
use super::ledger::Ledger;
use super::platform::Platform;
use super::record::Record;
use super::store::{Store, StoreError, Versioned};
use crate::plan::Change;
use crate::state::{BootTime, Ownership};

const FILE: &str = "unconfirmed.json";

/// What was applied and is not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    version: u32,
    incarnation: Incarnation,
    until_ms: u64,
    undo: Vec<Record>,
    before: Ledger,
}

/// What the undoing came to.
#[derive(Debug)]
pub struct Undone {
    /// What could not be undone.
    pub unrestored: Vec<Unrestored>,
    /// Why it is not on disk that it was undone, if it is not.
    pub unkept: Option<StoreError>,
}

impl Versioned for Pending {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Pending {
    /// What undoes an application, and when that is to happen.
    #[must_use]
    pub fn new(
        incarnation: &Incarnation,
        until: BootTime,
        undo: &[Change],
        before: &Ownership,
    ) -> Self {
        Self {
            version: 1,
            incarnation: incarnation.clone(),
            until_ms: u64::try_from(until.0.as_millis()).unwrap_or(u64::MAX),
            undo: undo.iter().map(Record::from).collect(),
            before: Ledger::new(incarnation, &[before]),
        }
    }

    /// When it is undone.
    #[must_use]
    pub fn until(&self) -> BootTime {
        BootTime(Duration::from_millis(self.until_ms))
    }

    /// Puts it on disk.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn write(&self, store: &Store) -> Result<(), StoreError> {
        store.write(FILE, self)
    }

    /// The one that waits in this life of the namespace.
    ///
    /// # Errors
    /// [`StoreError`] when there is one and it cannot be read.
    pub fn read(store: &Store, incarnation: &Incarnation) -> Result<Option<Self>, StoreError> {
        let pending: Option<Self> = store.read(FILE)?;
        Ok(pending.filter(|pending| pending.incarnation == *incarnation))
    }

    /// Confirms it: it stays.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be removed.
    pub fn confirm(store: &Store) -> Result<(), StoreError> {
        store.remove(FILE)
    }

    /// Undoes it.
    pub fn undo(self, platform: &mut impl Platform, store: &Store) -> Undone {
        let changes = self.undo.into_iter().map(Change::from).collect();
        let unrestored = restore(platform, changes);
        // First: one that stays would have what is undone now undone again.
        let settled = store
            .remove(FILE)
            .and_then(|()| {
                let before = self.before.into_ownership();
                Ledger::write(store, &self.incarnation, &[&before])
            })
            // Of the run that is undone, if it was interrupted: while it waits there is no other.
            .and_then(|()| Journal::end(store));
        Undone {
            unrestored,
            unkept: settled.err(),
        }
    }
}
