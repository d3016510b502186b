//! The names there are: those of the running director, otherwise those of the unit's service file.

use std::fs;
use std::path::Path;

use ipvs::{Client, ServerKey};

use super::bounded;
use super::values::Typed;
use crate::config::{self, Environment};
use crate::http::api::Status;
use crate::http::query;

/// The service file of the packaged unit.
const FILE: &str = crate::cli::args::UNIT_FILE;

/// There if the kernel has IPVS. Of this thread, which may have entered another namespace.
const KERNEL: &str = "/proc/thread-self/net/ip_vs";

/// The states of servers, as `status` prints them.
pub(super) const STATES: [&str; 10] = [
    "up", "warming", "pending", "down", "panic", "held", "drained", "disabled", "standby",
    "leaving",
];

/// Those of services.
pub(super) const SERVICE_STATES: [&str; 3] = ["failed", "degraded", "ok"];

/// Services and servers.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether a director said so, so that it is known what is drained.
    pub(super) running: bool,
    pub(super) services: Vec<Service>,
}

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) servers: Vec<Server>,
}

/// A server of a service.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: Option<String>,
    pub(super) address: ServerKey,
    /// Its state, for people.
    pub(super) about: String,
    pub(super) drained: bool,
    pub(super) disabled: bool,
}

/// All services and servers.
pub(super) fn all(typed: &Typed) -> Known {
    let asked = typed.clone();
    bounded(move || of_director(&asked))
        .or_else(|| bounded(of_file))
        .unwrap_or_default()
}

/// What the director says of the service that was typed, or of all.
fn of_director(typed: &Typed) -> Option<Known> {
    let client = typed.args().viewer().ok()?;
    let service = typed.service.as_deref();
    let parameters: Vec<_> = service.map(|name| ("service", name)).into_iter().collect();
    let path = format!("/v1/status{}", query(&parameters));
    let status: Status = client.get(&path).ok()?;
    let disabled: Vec<_> = status
        .head
        .disabled
        .iter()
        .map(|machine| machine.address)
        .collect();
    let services = status.services.into_iter().map(|service| Service {
        name: service.name,
        listen: service.listen.to_string(),
        servers: service
            .servers
            .into_iter()
            .map(|server| Server {
                about: word(&server.state),
                drained: server.drain.is_some(),
                disabled: disabled.contains(&server.address.address),
                name: server.name,
                address: server.address,
            })
            .collect(),
    });
    Some(Known {
        running: true,
        services: services.collect(),
    })
}

/// The word of a state, as JSON has it.
fn word(state: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// What the unit's file declares, if this user can read it.
fn of_file() -> Option<Known> {
    let outcome = config::load(Path::new(FILE), &Environment::of_process());
    let desired = outcome.desired?;
    let services = desired.services.iter().map(|(listen, service)| Service {
        name: service.name.to_string(),
        listen: listen.to_string(),
        servers: service
            .servers
            .iter()
            .map(|(address, server)| Server {
                name: server.name().map(str::to_owned),
                address: *address,
                about: String::new(),
                drained: false,
                disabled: false,
            })
            .collect(),
    });
    Some(Known {
        running: false,
        services: services.collect(),
    })
}

/// The listen addresses in the kernel, for those who can read them. Asking loads the module, so that
/// a kernel without it is not asked.
pub(super) fn listens(typed: &Typed) -> Vec<String> {
    let netns = typed.netns.clone();
    let read = move || {
        if let Some(name) = netns {
            crate::net::enter(&name).ok()?;
        }
        if !fs::exists(KERNEL).unwrap_or(false) {
            return None;
        }
        let services = Client::connect().ok()?.services().ok()?;
        let keys = services.into_iter().map(|entry| entry.service.key);
        Some(keys.map(|key| key.to_string()).collect())
    };
    bounded(read).unwrap_or_default()
}

/// The named network namespaces, as `ip netns list` finds them.
pub(super) fn namespaces() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    use crate::control::snapshot::ServerState;

    #[test]
    fn the_states_are_those_of_status() {
        for state in STATES {
            let parsed = ServerState::deserialize(serde_json::Value::from(state));
            assert_eq!(word(&parsed.unwrap()), state);
        }
        // The error of a word that is none lists them all.
        let error = ServerState::deserialize(serde_json::Value::from("x")).unwrap_err();
        assert_eq!(error.to_string().matches('`').count() / 2, STATES.len() + 1);
    }
}
