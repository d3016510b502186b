//! EndpointSlices of a Service, `discovery.k8s.io/v1`, and the servers that all of them list.
//!
//! | an endpoint | is |
//! |---|---|
//! | `ready`, or without a word about it | listed |
//! | `terminating`, but `serving` | listed with weight 0: it drains |
//! | neither | not listed |

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use serde::Deserialize;

use crate::discovery::entry::MOST;
use crate::discovery::listed::{Listed, Place};
use crate::discovery::names;
use crate::state::discovery::{AddressType, KubernetesPort, KubernetesSource};
use crate::words::printable;

/// The label that says which Service a slice belongs to.
pub(super) const SERVICE_LABEL: &str = "kubernetes.io/service-name";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slice {
    pub(super) metadata: Meta,
    #[serde(default)]
    address_type: String,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_version: String,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    target_ref: Option<Target>,
}

#[derive(Debug, Default, Deserialize)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Target {
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
struct Port {
    name: Option<String>,
    port: Option<u16>,
}

/// What a slice says of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    name: String,
    drains: bool,
}

/// The slices of a Service by their names, each as it counts here.
#[derive(Debug, Default)]
pub(super) struct Slices {
    /// Or what is wrong with one.
    all: BTreeMap<String, Result<Vec<(Place, Found)>, String>>,
}

impl Slices {
    /// Takes a slice in, in place of an earlier one of its name. It fails if it is no slice of the
    /// Service at all: then the API server answers something else than it was asked for.
    pub(super) fn put(&mut self, slice: &Slice, source: &KubernetesSource) -> Result<(), String> {
        let meta = &slice.metadata;
        let labels = meta.labels.as_ref();
        let owner = labels.and_then(|labels| labels.get(SERVICE_LABEL));
        if meta.name.is_empty() || owner != Some(&source.service) {
            let name = printable(&meta.name);
            let service = &source.service;
            return Err(format!(
                "slice `{name}` does not belong to Service `{service}`"
            ));
        }
        let found = found(slice, source);
        let found = found.map_err(|why| format!("slice {}: {why}", printable(&meta.name)));
        self.all.insert(meta.name.clone(), found);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.all.remove(name);
    }

    /// How many endpoints there are.
    pub(super) fn len(&self) -> usize {
        self.all.values().flatten().map(Vec::len).sum()
    }

    /// The servers of all slices. An endpoint that moves from one slice to another may be in both: it
    /// is one server, and drains if it does so in both.
    pub(super) fn servers(&self) -> Result<Vec<(Place, Listed)>, String> {
        let mut merged: BTreeMap<Place, Found> = BTreeMap::new();
        for slice in self.all.values() {
            let slice = slice.as_ref().map_err(String::clone)?;
            for (place, found) in slice {
                match merged.entry(*place) {
                    Entry::Vacant(entry) => {
                        entry.insert(found.clone());
                    }
                    Entry::Occupied(mut entry) => entry.get_mut().drains &= found.drains,
                }
            }
        }
        if merged.len() >= MOST {
            return Err(format!("more than {} endpoints", MOST - 1));
        }
        let candidates: Vec<Vec<&str>> = merged.values().map(|found| vec![&*found.name]).collect();
        let names = names::chosen(&candidates);
        let servers = merged.iter().zip(names);
        let servers = servers.map(|((place, found), name)| {
            let listed = Listed {
                name,
                weight: found.drains.then_some(0),
                is_backup: false,
            };
            (*place, listed)
        });
        Ok(servers.collect())
    }
}

/// The servers of one slice.
fn found(slice: &Slice, source: &KubernetesSource) -> Result<Vec<(Place, Found)>, String> {
    let is_wanted = match slice.address_type.as_str() {
        "IPv4" => source.addresses != AddressType::V6,
        "IPv6" => source.addresses != AddressType::V4,
        "FQDN" => return Err("it lists names; director takes IP addresses".to_owned()),
        other => {
            return Err(format!(
                "the address type `{}` is unknown",
                printable(other)
            ));
        }
    };
    let mut servers = Vec::new();
    if !is_wanted {
        return Ok(servers);
    }
    // The port of a slice without servers may be whatever it is.
    let mut port = None;
    for endpoint in slice.endpoints.iter().flatten() {
        let Some(drains) = drains(&endpoint.conditions) else {
            continue;
        };
        let port = match port {
            Some(known) => known,
            None => *port.insert(port_of(slice, source.port.as_ref())?),
        };
        // The first one counts; what further ones mean is not defined.
        let address = endpoint.addresses.first();
        let address = address.ok_or("an endpoint has no address")?;
        let parsed = address.parse::<IpAddr>();
        let parsed = parsed.map_err(|_| format!("`{}` is not an address", printable(address)))?;
        let target = endpoint.target_ref.as_ref();
        let found = Found {
            name: target.map_or_else(String::new, |target| target.name.clone()),
            drains,
        };
        servers.push(((parsed, port), found));
    }
    Ok(servers)
}

/// Whether an endpoint drains; `None` if it is not listed.
fn drains(conditions: &Conditions) -> Option<bool> {
    let is_ready = conditions.ready.unwrap_or(true);
    let is_serving = conditions.serving.unwrap_or(is_ready);
    match conditions.terminating.unwrap_or(false) {
        true => (is_serving || is_ready).then_some(true),
        false => is_ready.then_some(false),
    }
}

/// The port of the slice's servers: `None`, that of the pool or service, if the slice means all ports.
fn port_of(slice: &Slice, wanted: Option<&KubernetesPort>) -> Result<Option<u16>, String> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let name = |port: &Port| port.name.clone().unwrap_or_default();
    let mut fits = ports.iter().filter(|port| match wanted {
        None => true,
        Some(KubernetesPort::Number(number)) => port.port == Some(*number),
        Some(KubernetesPort::Name(wanted)) => name(port) == *wanted,
    });
    let all = || {
        let shown = ports.iter().map(|port| {
            let number = port
                .port
                .map_or_else(|| "any".to_owned(), |port| port.to_string());
            format!("`{}` {number}", printable(&name(port)))
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    let Some(first) = fits.next() else {
        return match wanted {
            _ if slice.ports.is_none() => Ok(None),
            None => Err("it has no port".to_owned()),
            Some(wanted) => Err(format!("it has no port {wanted}; there are {}", all())),
        };
    };
    // One number, for TCP and for UDP perhaps.
    match fits.all(|other| other.port == first.port) {
        true => Ok(first.port),
        false => Err(format!(
            "it has several ports; `port` has to name one of {}",
            all()
        )),
    }
}

#[cfg(test)]
mod tests;
