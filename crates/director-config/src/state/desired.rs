//! The declared state, after pools, ranges, defaults and includes are resolved.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{DaemonRole, Server, ServerKey, Service, ServiceKey, SyncDaemon};

use serde::{Deserialize, Serialize};

use super::{MachineCodes, Servers, Sysctl};

/// The declarations of one service file with its includes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Desired {
    /// The virtual services, one for each listen address.
    pub services: BTreeMap<ServiceKey, Arc<DesiredService>>,
    /// The settings of the whole namespace.
    pub kernel: KernelSettings,
    /// The sync daemons to run; `None` leaves running ones alone, an empty map stops them.
    pub daemons: Option<BTreeMap<DaemonRole, SyncDaemon>>,
    /// What to do about objects that the file does not mention.
    pub policy: Policy,
}

/// A virtual service as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredService {
    /// Its name in the file. Several listen addresses share one name, and so do the ledger's
    /// records about them.
    pub name: Arc<str>,
    /// The service's configuration.
    pub service: Service,
    /// Its real servers.
    pub servers: Servers<DesiredServer>,
    /// How long a leaving server keeps its connections; zero deletes it immediately.
    pub drain: Duration,
    /// Servers that leave immediately, whatever connections they have, because they are down. Not
    /// set by a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<ServerKey>,
    /// The warnings about the machine that are not given about it: the file allows them.
    #[serde(default, skip_serializing_if = "MachineCodes::is_empty")]
    pub allow: MachineCodes,
}

impl DesiredService {
    /// The default of [`DesiredService::drain`].
    pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);
}

/// A real server as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredServer {
    /// Its name in the file, if any. (A thin pointer: there are tens of thousands of servers, most
    /// without a name.)
    pub name: Option<Arc<String>>,
    /// The server's configuration.
    pub server: Server,
}

impl DesiredServer {
    /// Its name in the file, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().map(String::as_str)
    }
}

/// Settings of the namespace. Unset values are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KernelSettings {
    /// The idle timeout of an established TCP connection in seconds, 1 to 2147483.
    pub tcp_timeout: Option<u32>,
    /// The timeout of a TCP connection after a FIN, in seconds.
    pub tcp_fin_timeout: Option<u32>,
    /// The timeout of a UDP flow, in seconds.
    pub udp_timeout: Option<u32>,
    /// IPVS sysctls, `net.ipv4.vs.*`, as the kernel prints them.
    pub sysctls: BTreeMap<Sysctl, String>,
}

/// What to do about objects that the file does not mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The policy for services that are neither in the file nor in the ledger.
    pub foreign: Foreign,
    /// The policy for changes by other programs to declared services.
    pub drift: Drift,
    /// The largest share of a service's servers that one plan may remove without `--force`.
    pub max_removed: Share,
    /// The largest share of the owned services that one plan may remove without `--force`.
    #[serde(default = "half")]
    pub max_removed_services: Share,
}

/// The value for plans saved by earlier versions.
const fn half() -> Share {
    Share::percent(50)
}

impl Policy {
    /// This policy with the lower of both limits: a truncated file has lost its limits, and must
    /// not remove more than the policy in force allows.
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
    /// Repair it.
    #[default]
    Repair,
    /// Report it and leave it.
    Report,
}

/// A percentage, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Share(u8);

impl Share {
    /// This many percent; more than 100 counts as 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// The number of percent.
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
