//! Pools that find their servers: where, and what no answer may do.

use std::sync::Arc;
use std::time::Duration;

use super::health::{Threshold, WeightSteps};
pub use crate::discovery::{
    AddressType, ConsulHealth, ConsulSource, DnsSource, EtcdSource, FileSource, HttpServers,
    HttpUrl, KubernetesAccess, KubernetesPort, KubernetesSource, Login, RecordType, Source,
};

/// How a pool finds its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The pool.
    pub pool: Arc<str>,
    /// Where its servers are listed.
    pub source: Source,
    /// What happens to a server that is no longer listed.
    pub absent: Absent,
    /// Whether an authoritative list without servers counts as one.
    pub allow_empty: bool,
    /// How long a list has to be stable.
    pub settle: Settle,
    /// The most servers that are taken from one list.
    pub max_servers: u32,
    /// The most servers that leave within `removed_within`; a share is one of the largest list
    /// within that time, rounded up.
    pub max_removed: Threshold,
    /// The time for which removals are counted.
    pub removed_within: Duration,
    /// How fast a weight follows that of the list.
    pub weight_steps: WeightSteps,
}

/// What happens to a server that is no longer listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// It leaves like one that was deleted from the file: its connections drain.
    #[default]
    Drain,
    /// It stays as long as its checks pass, and leaves then.
    WhileHealthy,
    /// It leaves immediately, and its connections break.
    Remove,
}

/// How long a list has to be stable before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    /// The time without a further change.
    pub min: Duration,
    /// The longest wait, if changes do not end.
    pub max: Duration,
}

impl Default for Settle {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(2),
            max: Duration::from_secs(10),
        }
    }
}
