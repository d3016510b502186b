//! Failover sections: in `GET /v1/status`, and `POST /v1/failover`.

use serde::{Deserialize, Serialize};

use super::Setting;
use crate::control::failover::{
    FailoverCounts, FailoverHold, FailoverPeer, FailoverRole, VirtualRouterStatus,
};
use crate::control::operator::FailoverDo;

/// The state of a failover section on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// The name in the file.
    pub name: String,
    /// The role.
    pub role: FailoverRole,
    /// Since when.
    pub since: u64,
    /// The reason for the role, for people.
    pub reason: String,
    /// The priority in the file.
    pub declared_priority: u8,
    /// The priority with which it claims now.
    pub priority: u8,
    /// A yield or claim; null without one.
    pub hold: Option<FailoverHold>,
    /// Who set it, why, and until when; null if director did so itself.
    pub hold_set: Option<Setting>,
    /// The router last heard; null before the first advert.
    pub peer: Option<FailoverPeer>,
    /// The virtual routers.
    pub routers: Vec<VirtualRouterStatus>,
    /// What was sent and received since the section was declared.
    pub counters: FailoverCounts,
}

/// `POST /v1/failover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailoverBody {
    /// The section's name in the file; all sections without it.
    #[serde(default)]
    pub section: Option<String>,
    /// What to do: `switchover`, `yield`, `claim` or `auto`.
    pub action: FailoverDo,
    /// Whether a yield ends when director restarts, instead of being kept on disk: for a stop.
    #[serde(default)]
    pub until_restart: bool,
    /// The reason, for people.
    #[serde(default)]
    pub reason: Option<String>,
    /// The number of seconds after which it ends, at least 1, at most ten years.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// The person for whom the caller asks; recorded next to the user that the kernel reports.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}
