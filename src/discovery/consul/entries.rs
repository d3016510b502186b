//! What `/v1/health/service/NAME` answers: instances, with their nodes and checks.

use std::net::IpAddr;

use serde::Deserialize;

use crate::discovery::entry::MOST;
use crate::discovery::listed::{Listed, Place};
use crate::discovery::names;
use crate::state::discovery::ConsulHealth;
use crate::words::printable;

/// The checks by which operators take a node or an instance out of service.
const NODE_MAINTENANCE: &str = "_node_maintenance";
const SERVICE_MAINTENANCE: &str = "_service_maintenance:";
/// The largest weight that Consul accepts.
const HEAVIEST: i64 = 65_535;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Service,
    checks: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    node: String,
    #[serde(default)]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    address: String,
    port: i64,
    weights: Option<Weights>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: i64,
    warning: i64,
}

/// What Consul gives an instance that says nothing.
const UNWEIGHTED: Weights = Weights {
    passing: 1,
    warning: 1,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "CheckID", default)]
    id: String,
    status: String,
}

/// What Consul says of an instance: the worst of its checks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Passing,
    Warning,
    Critical,
    Maintenance,
}

/// The servers of an answer. An instance in maintenance drains, with weight 0.
pub(super) fn servers(body: &[u8], wanted: ConsulHealth) -> Result<Vec<(Place, Listed)>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(body)
        .map_err(|error| format!("not a list of instances: {}", printable(&error.to_string())))?;
    if entries.len() >= MOST {
        return Err(format!("more than {} instances", MOST - 1));
    }
    let mut kept = Vec::new();
    for entry in &entries {
        let state = state(entry)?;
        let is_listed = match wanted {
            ConsulHealth::Passing => state != State::Warning && state != State::Critical,
            ConsulHealth::Warning => state != State::Critical,
            ConsulHealth::Any => true,
        };
        if is_listed {
            kept.push((entry, state));
        }
    }
    let weights = |entry: &Entry| entry.service.weights.unwrap_or(UNWEIGHTED);
    // Where all have what Consul gives by default, it says nothing.
    let is_weighted = kept.iter().any(|(entry, _)| weights(entry) != UNWEIGHTED);
    let candidates: Vec<Vec<&str>> = kept
        .iter()
        .map(|(entry, _)| vec![&*entry.node.node, &*entry.service.id])
        .collect();
    let names = names::chosen(&candidates);
    let mut servers = Vec::with_capacity(kept.len());
    for ((entry, state), name) in kept.into_iter().zip(names) {
        let weights = weights(entry);
        let weight = match state {
            State::Maintenance => Some(0),
            State::Warning => is_weighted.then_some(weights.warning),
            State::Passing | State::Critical => is_weighted.then_some(weights.passing),
        };
        let weight = weight.map(|weight| bounded(weight, entry)).transpose()?;
        let listed = Listed {
            name,
            weight,
            is_backup: false,
        };
        servers.push((place(entry)?, listed));
    }
    Ok(servers)
}

fn state(entry: &Entry) -> Result<State, String> {
    let mut worst = State::Passing;
    for check in entry.checks.iter().flatten() {
        let is_maintenance =
            check.id == NODE_MAINTENANCE || check.id.starts_with(SERVICE_MAINTENANCE);
        let state = match check.status.as_str() {
            "passing" => State::Passing,
            "warning" => State::Warning,
            "critical" if is_maintenance => State::Maintenance,
            "critical" => State::Critical,
            other => {
                let (id, other) = (printable(&check.id), printable(other));
                return Err(format!("check `{id}` has the unknown status `{other}`"));
            }
        };
        worst = worst.max(state);
    }
    Ok(worst)
}

fn bounded(weight: i64, entry: &Entry) -> Result<u32, String> {
    let bounded = u32::try_from(weight).ok();
    let bounded = bounded.filter(|_| weight <= HEAVIEST);
    bounded.ok_or_else(|| {
        let id = printable(&entry.service.id);
        format!("instance `{id}` has weight {weight}, which is not within 0 and {HEAVIEST}")
    })
}

/// Its own address, or else that of its node.
fn place(entry: &Entry) -> Result<Place, String> {
    let (service, node) = (&entry.service, &entry.node);
    let (id, node_name) = (printable(&service.id), printable(&node.node));
    let address = match service.address.is_empty() {
        true => &node.address,
        false => &service.address,
    };
    let parsed = address.parse::<IpAddr>().map_err(|_| {
        let address = printable(address);
        format!("instance `{id}` on node `{node_name}` has the address `{address}`; director takes IP addresses, not names")
    })?;
    let port = u16::try_from(service.port).map_err(|_| {
        let port = service.port;
        format!("instance `{id}` on node `{node_name}` has port {port}")
    })?;
    Ok((parsed, Some(port)))
}

#[cfg(test)]
mod tests;
