//! What the director has made its own, and what is on its way out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};

use super::DesiredService;

/// Time since the machine booted, suspends included (`CLOCK_BOOTTIME`). Deadlines are kept in it,
/// as the tables live exactly as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long until then; zero when it has passed.
    #[must_use]
    pub fn until(self, then: Self) -> Duration {
        then.0.saturating_sub(self.0)
    }
}

/// What the director owns, as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// The virtual services that it created or adopted. Any other is foreign.
    pub services: BTreeMap<ServiceKey, Owned>,
    /// Servers that are kept at weight 0 until their connections are gone, or until that time.
    pub drains: BTreeMap<(ServiceKey, ServerKey), BootTime>,
    /// Services of which the same is true of every server.
    pub leaving: BTreeMap<ServiceKey, BootTime>,
}

/// What is remembered of a service that is owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Its name in the file that declared it.
    pub name: Arc<str>,
    /// How long its servers keep their connections when they leave, for the day when the service
    /// is no longer in the file.
    pub drain: Duration,
}

impl Owned {
    /// What is remembered of a service that no file has declared: its key is its name.
    pub fn undeclared(key: &ServiceKey) -> Self {
        Self {
            name: key.to_string().into(),
            drain: DesiredService::DEFAULT_DRAIN,
        }
    }
}
