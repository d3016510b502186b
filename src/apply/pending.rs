//! An apply that waits for confirmation, and is rolled back without it.

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

/// An apply that is not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    version: u32,
    incarnation: Incarnation,
    until_ms: u64,
    undo: Vec<Record>,
    before: Ledger,
}

/// The result of a rollback.
#[derive(Debug)]
pub struct Undone {
    /// The changes that could not be rolled back.
    pub unrestored: Vec<Unrestored>,
    /// Why the rollback is not on disk, if so.
    pub unkept: Option<StoreError>,
}

impl Versioned for Pending {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Pending {
    /// The rollback of an apply, and its deadline.
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

    /// When the rollback is due.
    #[must_use]
    pub fn until(&self) -> BootTime {
        BootTime(Duration::from_millis(self.until_ms))
    }

    /// Writes it to disk.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub fn write(&self, store: &Store) -> Result<(), StoreError> {
        store.write(FILE, self)
    }

    /// The pending apply of this incarnation.
    ///
    /// # Errors
    /// [`StoreError`] if it exists and cannot be read.
    pub fn read(store: &Store, incarnation: &Incarnation) -> Result<Option<Self>, StoreError> {
        let pending: Option<Self> = store.read(FILE)?;
        Ok(pending.filter(|pending| pending.incarnation == *incarnation))
    }

    /// Confirms the apply: its changes stay.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be removed.
    pub fn confirm(store: &Store) -> Result<(), StoreError> {
        store.remove(FILE)
    }

    /// Rolls the apply back.
    pub fn undo(self, platform: &mut impl Platform, store: &Store) -> Undone {
        let changes = self.undo.into_iter().map(Change::from).collect();
        let unrestored = restore(platform, changes);
        // First, since a leftover file would repeat the rollback.
        let settled = store
            .remove(FILE)
            .and_then(|()| {
                let before = self.before.into_ownership();
                Ledger::write(store, &self.incarnation, &[&before])
            })
            // The journal of the apply that is rolled back, if it was interrupted: while it waits
            // there is no other.
            .and_then(|()| Journal::end(store));
        Undone {
            unrestored,
            unkept: settled.err(),
        }
    }
}
