//! What the undoing of an unconfirmed application left undone.
//!
//! Mostly nobody is there when it happens: the guard has no terminal. So it stands on disk, where
//! the next run finds it and says it, until an application has made the tables what is declared.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incarnation::Incarnation;
use super::store::{Store, StoreError, Versioned};
use crate::state::BootTime;

const FILE: &str = "remains.json";

/// What went wrong, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    version: u32,
    incarnation: Incarnation,
    at_ms: u64,
    /// One line for each thing.
    pub failures: Vec<String>,
}

impl Versioned for Remains {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Remains {
    /// Failures at a time.
    #[must_use]
    pub fn new(incarnation: &Incarnation, at: BootTime, failures: Vec<String>) -> Self {
        Self {
            version: 1,
            incarnation: incarnation.clone(),
            at_ms: u64::try_from(at.0.as_millis()).unwrap_or(u64::MAX),
            failures,
        }
    }

    /// When it was.
    #[must_use]
    pub const fn at(&self) -> BootTime {
        BootTime(Duration::from_millis(self.at_ms))
    }

    /// Puts them on disk, in the place of earlier ones.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be written.
    pub fn write(&self, store: &Store) -> Result<(), StoreError> {
        store.write(FILE, self)
    }

    /// Those of this life of the namespace.
    ///
    /// # Errors
    /// [`StoreError`] when there are some and they cannot be read.
    pub fn read(store: &Store, incarnation: &Incarnation) -> Result<Option<Self>, StoreError> {
        let remains: Option<Self> = store.read(FILE)?;
        Ok(remains.filter(|remains| remains.incarnation == *incarnation))
    }

    /// Forgets them.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be removed.
    pub fn forget(store: &Store) -> Result<(), StoreError> {
        store.remove(FILE)
    }
}
