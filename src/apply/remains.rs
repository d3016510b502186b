//! What remained after the rollback of an unconfirmed apply.
//!
//! Usually no one sees the rollback, because the guard has no terminal. The failures are therefore
//! kept on disk, where the next run finds and reports them, until an apply succeeds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incarnation::Incarnation;
use super::store::{Store, StoreError, Versioned};
use crate::state::BootTime;

const FILE: &str = "remains.json";

/// The failures, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    version: u32,
    incarnation: Incarnation,
    at_ms: u64,
    /// One line for each failure.
    pub failures: Vec<String>,
}

impl Versioned for Remains {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Remains {
    /// Failures of a rollback at this time.
    #[must_use]
    pub fn new(incarnation: &Incarnation, at: BootTime, failures: Vec<String>) -> Self {
        Self {
            version: 1,
            incarnation: incarnation.clone(),
            at_ms: u64::try_from(at.0.as_millis()).unwrap_or(u64::MAX),
            failures,
        }
    }

    /// When the rollback ran.
    #[must_use]
    pub const fn at(&self) -> BootTime {
        BootTime(Duration::from_millis(self.at_ms))
    }

    /// Writes them to disk in place of earlier ones.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be written.
    pub fn write(&self, store: &Store) -> Result<(), StoreError> {
        store.write(FILE, self)
    }

    /// Those of this incarnation.
    ///
    /// # Errors
    /// [`StoreError`] if they exist and cannot be read.
    pub fn read(store: &Store, incarnation: &Incarnation) -> Result<Option<Self>, StoreError> {
        let remains: Option<Self> = store.read(FILE)?;
        Ok(remains.filter(|remains| remains.incarnation == *incarnation))
    }

    /// Removes them.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be removed.
    pub fn forget(store: &Store) -> Result<(), StoreError> {
        store.remove(FILE)
    }
}
