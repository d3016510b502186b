//! What the service file asks for, after pools, ranges, defaults and includes are worked in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{DaemonRole, Server, ServerKey, Service, ServiceKey, SyncDaemon};

use serde::{Deserialize, Serialize};

use super::{Servers, Sysctl};

/// All that one service file (with its includes) declares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// The virtual services, each listen address one of its own.
    pub services: BTreeMap<ServiceKey, Arc<DesiredService>>,
    /// What holds for the whole namespace.
    pub kernel: KernelSettings,
    /// The sync daemons that are to run; `None` to leave those alone that do, an empty map to
    /// have none.
    pub daemons: Option<BTreeMap<DaemonRole, SyncDaemon>>,
    /// What to do about what the file does not say.
    pub policy: Policy,
}

/// A virtual service as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredService {
    /// Its name in the file. Several listen addresses share one, and so does what is remembered of
    /// those that are owned.
    pub name: Arc<str>,
    /// Its configuration.
    pub service: Service,
    /// Its real servers.
    pub servers: Servers<DesiredServer>,
    /// How long a server that leaves keeps its connections; zero to delete it at once.
    pub drain: Duration,
    /// Servers that leave at once, whatever they carry: they are down. A file declares none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<ServerKey>,
}

impl DesiredService {
    /// The default of [`DesiredService::drain`].
    pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);
}

/// A real server as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredServer {
    /// Its name in the file, where it has one. (A thin pointer, as there are tens of thousands of
    /// servers and most have none.)
    pub name: Option<Arc<String>>,
    /// Its configuration.
    pub server: Server,
}

impl DesiredServer {
    /// Its name in the file, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().map(String::as_str)
    }
}

/// Settings of the namespace. What is left out is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KernelSettings {
    /// Seconds an established TCP connection may idle, 1 to 2147483.
    pub tcp_timeout: Option<u32>,
    /// The same after a FIN.
    pub tcp_fin_timeout: Option<u32>,
    /// The same for UDP.
    pub udp_timeout: Option<u32>,
    /// IPVS sysctls, `net.ipv4.vs.*`, in the spelling that the kernel reads back.
    pub sysctls: BTreeMap<Sysctl, String>,
}

/// What to do about what the file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// About services that are neither in the file nor in the ledger.
    pub foreign: Foreign,
    /// About changes that somebody else made to declared services.
    pub drift: Drift,
    /// The largest share of a service's servers that one plan may take away without `--force`.
    pub max_removed: Share,
    /// The largest share of the services that are owned that one plan may take away without
    /// `--force`.
    #[serde(default = "half")]
    pub max_removed_services: Share,
}

/// What a plan that an earlier version saved says of services.
const fn half() -> Share {
    Share::percent(50)
}

impl Policy {
    /// The same with the lower of both limits: a file that was cut off has lost its limits, and
    /// must not take away more than the one in force would let it.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self {
            max_removed: self.max_removed.min(other.max_removed),
            max_removed_services: self.max_removed_services.min(other.max_removed_services),
            ..self
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            foreign: Foreign::Keep,
            drift: Drift::Repair,
            max_removed: half(),
            max_removed_services: half(),
        }
    }
}

/// What to do about foreign services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Foreign {
    /// Report them and leave them alone.
    #[default]
    Keep,
    /// Delete them.
    Remove,
}

/// What to do about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Drift {
    /// Set it right.
    #[default]
    Repair,
    /// Say so, and leave it.
    Report,
}

/// A part of a whole in percent, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Share(u8);

impl Share {
    /// So many percent; more than 100 is 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// The percentage.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether `part` of `whole` is more than this share.
    #[must_use]
    pub const fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        part * 100 > whole * self.0 as usize
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_three_is_less_than_two() {
        let half = Share::percent(50);
        assert!(!half.is_exceeded_by(1, 3));
        assert!(half.is_exceeded_by(2, 3));
        assert!(!half.is_exceeded_by(2, 4));
        assert!(Share::percent(0).is_exceeded_by(1, 4));
        assert!(!Share::percent(200).is_exceeded_by(4, 4));
    }
}
