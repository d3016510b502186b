//! What the tables and states are at one time, in the form that is recorded.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ipvs::{Server, ServerKey, Service, ServiceKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::patch;
use crate::control::operator::Setting;
use crate::control::snapshot::{Role, ServerState, ServerStatus, ServiceStatus, Snapshot};

/// Everything at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Picture {
    /// What is not part of a service.
    pub head: Head,
    /// The services, including those that are leaving.
    pub services: BTreeMap<ServiceKey, ServicePicture>,
}

/// What is not part of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// When the service file came into force, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<u64>,
    /// Machines in maintenance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disabled: BTreeMap<IpAddr, Set>,
    /// Services in the kernel that director does not own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<ServiceKey>,
    /// The role of each failover section.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failover: BTreeMap<Arc<str>, String>,
    /// Why the kernel is not in sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Arc<str>>,
}

/// What an operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The weight, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Who set it.
    pub by: String,
    /// The reason given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, in seconds since 1970.
    pub at: u64,
    /// When it ends by itself, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePicture {
    /// The name in the file.
    pub name: Arc<str>,
    /// The configuration in the kernel.
    pub service: Service,
    /// The configuration in the file, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_declared: Option<Service>,
    /// The number of declared servers.
    pub declared: usize,
    /// The number of servers that must stay in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_healthy: usize,
    /// Whether its quorum is lost.
    #[serde(default, skip_serializing_if = "is_false")]
    pub quorum_lost: bool,
    /// Whether it is no longer declared, and drains.
    #[serde(default, skip_serializing_if = "is_false")]
    pub leaving: bool,
    /// Its servers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<ServerKey, ServerPicture>,
}

/// A server of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerPicture {
    /// The name in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The role.
    pub role: Role,
    /// The state.
    pub state: ServerState,
    /// The reason for the state, for people.
    pub reason: Arc<str>,
    /// Since when it is in this state, in seconds since 1970.
    pub since: u64,
    /// The configuration in the file.
    pub declared: Server,
    /// The weight in the kernel; none if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The rest of the configuration in the kernel, if that is not the one in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Server>,
    /// The operator's drain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Set>,
    /// The operator's weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Set>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Seconds since 1970.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

impl Set {
    fn of<T>(setting: &Setting<T>, weight: Option<u32>) -> Self {
        Self {
            weight,
            by: setting.by.clone(),
            reason: setting.reason.clone(),
            at: unix(setting.at),
            until: setting.until.map(unix),
        }
    }
}

impl Head {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let disabled = snapshot.disabled.iter();
        let failover = snapshot.failovers.iter();
        Self {
            loaded: snapshot.loaded.map(unix),
            disabled: disabled
                .map(|(address, set)| (*address, Set::of(set, None)))
                .collect(),
            foreign: snapshot.foreign.to_vec(),
            failover: failover
                .map(|(name, status)| (name.clone(), status.role.word().to_owned()))
                .collect(),
            trouble: snapshot.trouble.clone(),
        }
    }
}

impl ServicePicture {
    pub(super) fn of(status: &ServiceStatus) -> Self {
        let differs = status.as_declared != status.service;
        let servers = status.servers.iter();
        Self {
            name: status.name.clone(),
            service: status.service,
            as_declared: differs.then_some(status.as_declared),
            declared: status.declared,
            min_healthy: status.min_healthy,
            quorum_lost: status.quorum.is_some_and(|quorum| quorum.lost),
            leaving: status.leaving,
            servers: servers
                .map(|server| (server.key(), ServerPicture::of(server)))
                .collect(),
        }
    }

    /// The same without its servers, as JSON.
    pub(super) fn bare(&self) -> Value {
        json(&Self {
            name: self.name.clone(),
            service: self.service,
            as_declared: self.as_declared,
            declared: self.declared,
            min_healthy: self.min_healthy,
            quorum_lost: self.quorum_lost,
            leaving: self.leaving,
            servers: BTreeMap::new(),
        })
    }

    /// Applies a patch to the service: its own fields, and whole servers.
    pub(super) fn patched(before: Option<Self>, mut change: Value) -> serde_json::Result<Self> {
        let servers = change
            .as_object_mut()
            .and_then(|fields| fields.swap_remove("servers"));
        let mut bare = before.as_ref().map_or(Value::Null, Self::bare);
        patch::apply(&mut bare, change);
        let mut patched: Self = serde_json::from_value(bare)?;
        patched.servers = match servers {
            Some(servers) => serde_json::from_value(servers)?,
            None => before.map(|before| before.servers).unwrap_or_default(),
        };
        Ok(patched)
    }
}

impl ServerPicture {
    fn of(status: &ServerStatus) -> Self {
        let rest = |server: &Server| Server {
            weight: status.as_declared.weight,
            ..*server
        };
        let other = |server: &Server| rest(server) != status.as_declared;
        let weight = status.weight.as_deref();
        let is_leaving = status.state == ServerState::Leaving;
        Self {
            name: status.name.clone(),
            role: status.role,
            state: status.state,
            // Of a leaving server it has the number of connections, which changes all the time.
            reason: match status.reason.split_once(';') {
                Some((first, _)) if is_leaving => first.into(),
                _ => status.reason.clone(),
            },
            since: unix(status.entered),
            declared: status.as_declared,
            weight: status.server.map(|server| server.weight.get()),
            now: status.server.filter(other),
            drain: status.drain.as_deref().map(|set| Set::of(set, None)),
            set: weight.map(|set| Set::of(set, Some(set.value))),
        }
    }

    /// The configuration in the kernel; `None` if the server is not there.
    #[must_use]
    pub fn in_kernel(&self) -> Option<Server> {
        let weight = ipvs::Weight::new(self.weight?)?;
        let server = self.now.unwrap_or(self.declared);
        Some(Server { weight, ..server })
    }

    /// Applies a patch to the server.
    pub(super) fn patched(before: Option<&Self>, change: Value) -> serde_json::Result<Self> {
        let mut whole = before.map_or(Value::Null, json);
        patch::apply(&mut whole, change);
        serde_json::from_value(whole)
    }
}

/// Values made of strings, numbers and maps with string keys.
pub(super) fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl Picture {
    /// The whole snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let services = snapshot.services.iter();
        Self {
            head: Head::of(snapshot),
            services: services
                .map(|(key, status)| (*key, ServicePicture::of(status)))
                .collect(),
        }
    }
}
