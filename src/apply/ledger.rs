//! The ledger: ownership, and the deadlines of drains.

use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::incarnation::Incarnation;
use super::store::{Store, StoreError, Versioned};
use crate::state::{BootTime, Owned, Ownership};

/// [`Ownership`] in its form on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    version: u32,
    incarnation: Incarnation,
    services: Vec<ServiceRecord>,
    drains: Vec<DrainRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ServiceRecord {
    service: ServiceKey,
    name: Arc<str>,
    drain_ms: u64,
}

/// A deadline in boot time; for a whole service if no server is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DrainRecord {
    service: ServiceKey,
    server: Option<ServerKey>,
    until_ms: u64,
}

impl Versioned for Ledger {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Ledger {
    /// Its file name in the state directory.
    pub const FILE: &str = "ledger.json";

    /// The ownership in this incarnation; empty if the ledger belongs to another one.
    ///
    /// # Errors
    /// [`StoreError`] if the ledger exists and cannot be read.
    pub fn read(store: &Store, incarnation: &Incarnation) -> Result<Ownership, StoreError> {
        let ledger: Option<Self> = store.read(Self::FILE)?;
        let current = ledger.filter(|ledger| ledger.incarnation == *incarnation);
        Ok(current.map(Self::into_ownership).unwrap_or_default())
    }

    /// Replaces the ledger with these parts, each of different services.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub fn write(
        store: &Store,
        incarnation: &Incarnation,
        parts: &[&Ownership],
    ) -> Result<(), StoreError> {
        store.write(Self::FILE, &Self::new(incarnation, parts))
    }

    pub(super) fn new(incarnation: &Incarnation, parts: &[&Ownership]) -> Self {
        let count = parts.iter().map(|part| part.services.len()).sum();
        let mut services = Vec::with_capacity(count);
        let owned = parts.iter().flat_map(|part| &part.services);
        services.extend(owned.map(|(service, owned)| ServiceRecord {
            service: *service,
            name: owned.name.clone(),
            drain_ms: milliseconds(owned.drain),
        }));
        let servers = parts.iter().flat_map(|part| &part.drains);
        let servers = servers.map(|((service, server), until)| DrainRecord {
            service: *service,
            server: Some(*server),
            until_ms: milliseconds(until.0),
        });
        let leaving = parts.iter().flat_map(|part| &part.leaving);
        let leaving = leaving.map(|(service, until)| DrainRecord {
            service: *service,
            server: None,
            until_ms: milliseconds(until.0),
        });
        Self {
            version: 1,
            incarnation: incarnation.clone(),
            services,
            drains: servers.chain(leaving).collect(),
        }
    }

    pub(super) fn into_ownership(self) -> Ownership {
        let mut ownership = Ownership::default();
        for record in self.services {
            let drain = Duration::from_millis(record.drain_ms);
            ownership.services.insert(
                record.service,
                Owned {
                    name: record.name,
                    drain,
                },
            );
        }
        for record in self.drains {
            let until = BootTime(Duration::from_millis(record.until_ms));
            match record.server {
                Some(server) => ownership.drains.insert((record.service, server), until),
                None => ownership.leaving.insert(record.service, until),
            };
        }
        ownership
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
