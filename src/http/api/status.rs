//! `GET /v1/status`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

use super::{Announce, DiscoveredPool, Failover, Peer};
use crate::control::snapshot::{RejectedBy, Role, ServerState, ServiceState};

/// The whole status, or that of the requested services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Everything but the services.
    #[serde(flatten)]
    pub head: Head,
    /// The selected services, ordered by key, including those that are leaving.
    pub services: Vec<Service>,
}

/// The state of the director as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Grows by one with each new snapshot.
    pub revision: u64,
    /// The director's clock at the time of the answer.
    pub now: u64,
    /// The path of the service file.
    pub file: String,
    /// The start time of the director.
    pub started: Option<u64>,
    /// When the file in force came into force.
    pub loaded: Option<u64>,
    /// When a comparison of the kernel with the believed tables last found no difference.
    pub reconciled: Option<u64>,
    /// Why a newer file was rejected; its mistakes as `director check` reports them.
    pub rejected: Option<String>,
    /// What rejected it; null without such a file.
    #[serde(default)]
    pub rejected_by: Option<RejectedBy>,
    /// The reason why the kernel is not in sync.
    pub trouble: Option<String>,
    /// Services in the kernel that director does not own.
    pub foreign: Vec<ServiceKey>,
    /// Machines in maintenance.
    pub disabled: Vec<Disabled>,
    /// Differences from the declaration that director only reports.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// Declared sysctls that this kernel does not have.
    #[serde(default)]
    pub lacking: Vec<String>,
    /// How many services and servers there are in each state, selected or not.
    #[serde(default)]
    pub summary: Summary,
    /// The failover sections; missing if the file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<Failover>,
    /// The other directors; missing if the file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Peer>,
    /// The announce sections; missing if the file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announce: Vec<Announce>,
    /// The pools that find their servers; missing if the file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discovered: Vec<DiscoveredPool>,
}

/// A difference from the declaration that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The service's name in the file; null for settings of the whole kernel.
    pub service: Option<String>,
    /// The service's listen address.
    pub listen: Option<ServiceKey>,
    /// What differs, for people.
    pub text: String,
}

/// Numbers of services and servers; states without any are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Services.
    pub services: BTreeMap<ServiceState, usize>,
    /// Servers, once for each service.
    pub servers: BTreeMap<ServerState, usize>,
}

/// A machine in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// The machine's address.
    pub address: IpAddr,
    /// Who disabled it, why, and until when.
    #[serde(flatten)]
    pub setting: Setting,
}

/// `GET /v1/services/...`: the services with this name or listen address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Services {
    /// At least one service, ordered by key.
    pub services: Vec<Service>,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The name in the file.
    pub name: String,
    /// The listen address.
    pub listen: ServiceKey,
    /// The name of the scheduler.
    pub scheduler: String,
    /// The persistence timeout in seconds; null without persistence.
    pub persistence: Option<u32>,
    /// The pool that discovers its servers; missing if the file has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The number of declared servers that are up.
    pub up: usize,
    /// The number of declared servers.
    pub declared: usize,
    /// The number of servers that must stay in, up or down.
    pub min_healthy: usize,
    /// Whether fewer servers than that are up, so that servers that are down stay in.
    pub panic: bool,
    /// The state of its quorum; null without one.
    #[serde(default)]
    pub quorum: Option<Quorum>,
    /// Whether the service is no longer declared, and is deleted once its connections have ended.
    pub leaving: bool,
    /// How well the service is.
    #[serde(default = "unknown")]
    pub state: ServiceState,
    /// How many of the selected servers are in each state.
    #[serde(default)]
    pub states: BTreeMap<ServerState, usize>,
    /// Whether only some of the servers are selected.
    #[serde(default)]
    pub partial: bool,
    /// The selected servers; with `brief`, without those that are up or on standby.
    pub servers: Vec<Server>,
}

/// Of a director that does not say it.
const fn unknown() -> ServiceState {
    ServiceState::Ok
}

/// The quorum of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// What the servers that are up weigh together.
    pub weight: u64,
    /// What they have to weigh.
    pub needed: u32,
    /// How far beyond that they have to get for the state to change.
    pub hysteresis: u32,
    /// Whether it is lost: the service is out.
    pub lost: bool,
}

/// A real server of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// The name in the file, if any.
    pub name: Option<String>,
    /// The address and port.
    pub address: ServerKey,
    /// The role: regular, backup or sorry server.
    pub role: Role,
    /// The server's state.
    pub state: ServerState,
    /// The weight that the kernel should have now; null if the server should not be there.
    pub weight: Option<u32>,
    /// The weight in the file.
    pub declared_weight: u32,
    /// The reason for the state, for people.
    pub reason: String,
    /// Since when its checks have had their verdict; without checks, since when it is in this
    /// state.
    pub since: u64,
    /// Since when it is in this state, whatever brought it there.
    #[serde(default)]
    pub state_since: u64,
    /// When the state ends by itself at the latest.
    pub until: Option<u64>,
    /// The operator's drain.
    pub drain: Option<Setting>,
    /// The operator's weight.
    pub weight_set: Option<Setting>,
    /// The server's health checks.
    pub checks: Vec<Check>,
}

/// A setting by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The weight, if the setting is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The user who set it.
    pub by: String,
    /// The reason given.
    pub reason: Option<String>,
    /// When it was set.
    pub at: u64,
    /// When it ends by itself.
    pub until: Option<u64>,
}

/// A health check of a server, and its last result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The kind: `tcp`, `http`, ...
    pub kind: String,
    /// Whether the last completed check succeeded; null before the first.
    pub passed: Option<bool>,
    /// The failure, or the check's information.
    pub text: Option<String>,
    /// When the check started.
    pub at: Option<u64>,
    /// Its duration, in milliseconds.
    pub took_ms: u64,
    /// Consecutive checks with this result.
    pub streak: u32,
    /// Successful checks since the director started to check the server.
    pub successes: u64,
    /// Failed checks.
    pub failures: u64,
    /// Checks that could not be carried out because the director's machine lacked something.
    #[serde(default)]
    pub not_asked: u64,
    /// Why the server is not checked now, so that its state stays; null if it is checked.
    #[serde(default)]
    pub not_checked: Option<NotChecked>,
    /// The declared interval between the starts of two checks, in milliseconds.
    pub interval_ms: u64,
    /// The longest actual interval, in milliseconds.
    pub longest_gap_ms: u64,
}

/// Why a server is not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// When the first of these consecutive checks started.
    pub since: u64,
    /// Consecutive checks that could not be carried out.
    pub streak: u32,
    /// What was missing at the last one.
    pub reason: String,
}
