//! `GET /v1/status`.

use std::net::IpAddr;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

use crate::control::snapshot::{Role, ServerState};

/// The whole state, or that of the services that were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// All but the services.
    #[serde(flatten)]
    pub head: Head,
    /// The services, in the order of their keys; those that leave too.
    pub services: Vec<Service>,
}

/// The state of the director as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Grows by one with each change of the picture.
    pub revision: u64,
    /// The director's clock when it answered.
    pub now: u64,
    /// The service file.
    pub file: String,
    /// When the director started.
    pub started: Option<u64>,
    /// When the file that is in force was read.
    pub loaded: Option<u64>,
    /// When the kernel was last seen to be, or made, as it should be.
    pub reconciled: Option<u64>,
    /// What is wrong with the newer file that is not in force, as `director check` says it.
    pub rejected: Option<String>,
    /// What keeps the kernel from being as it should.
    pub trouble: Option<String>,
    /// Services in the kernel that are not the director's.
    pub foreign: Vec<ServiceKey>,
    /// Machines in maintenance.
    pub disabled: Vec<Disabled>,
}

/// A machine in maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Its address.
    pub address: IpAddr,
    /// Who disabled it, why, and until when.
    #[serde(flatten)]
    pub setting: Setting,
}

/// `GET /v1/services/...`: the services of that name or listen address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Services {
    /// In the order of their keys; at least one.
    pub services: Vec<Service>,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in the file.
    pub name: String,
    /// Its listen address.
    pub listen: ServiceKey,
    /// Its scheduler.
    pub scheduler: String,
    /// For how many seconds clients stay with their server; null without persistence.
    pub persistence: Option<u32>,
    /// How many of the declared servers are well.
    pub up: usize,
    /// How many are declared.
    pub declared: usize,
    /// How many must stay in, well or not.
    pub min_healthy: usize,
    /// Fewer than that are well: servers that are down are kept in.
    pub panic: bool,
    /// It is no longer declared and goes when its connections are gone.
    pub leaving: bool,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// A real server of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its name in the file, where it has one.
    pub name: Option<String>,
    /// Its address and port.
    pub address: ServerKey,
    /// What it is there for.
    pub role: Role,
    /// How it is.
    pub state: ServerState,
    /// Its weight in the kernel as it should be now; null if it is not to be there.
    pub weight: Option<u32>,
    /// The weight that the file declares.
    pub declared_weight: u32,
    /// Why it is so, in words.
    pub reason: String,
    /// Since when.
    pub since: u64,
    /// When the state ends by itself at the latest.
    pub until: Option<u64>,
    /// The operator's drain.
    pub drain: Option<Setting>,
    /// The operator's weight.
    pub weight_set: Option<Setting>,
    /// Its checks.
    pub checks: Vec<Check>,
}

/// Something an operator has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The weight; only with a weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: u64,
    /// When it ends by itself.
    pub until: Option<u64>,
}

/// A check of a server, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `tcp`, `http`, ...
    pub kind: String,
    /// Whether the last one that was asked succeeded; null before the first.
    pub passed: Option<bool>,
    /// What was wrong with it, or what it told.
    pub text: Option<String>,
    /// When it began.
    pub at: Option<u64>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// So many in a row had this result.
    pub streak: u32,
    /// So many succeeded since the director started to check it.
    pub successes: u64,
    /// So many failed.
    pub failures: u64,
    /// So many could not be asked, for want of something on the director's machine.
    #[serde(default)]
    pub not_asked: u64,
    /// Why it is not checked now, so that the server's state stays as it was; null if it is.
    #[serde(default)]
    pub not_checked: Option<NotChecked>,
    /// From the start of one check to the start of the next, in milliseconds, as declared.
    pub interval_ms: u64,
    /// The longest that this really was.
    pub longest_gap_ms: u64,
}

/// Why a server is not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// When the first check in a row began that could not be asked.
    pub since: u64,
    /// So many in a row could not be asked.
    pub streak: u32,
    /// What was missing the last time.
    pub reason: String,
}
