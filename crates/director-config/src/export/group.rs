//! Groups the table's services into services of the file, with their servers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipvs::{Family, ForwardMethod, Netmask, Server, ServerKey, ServiceKey, Tunnel, Weight};

use super::super::resolve::{self, Candidate};
use super::observed;
use crate::state::{Desired, DesiredServer, DesiredService};

/// A service of the file.
pub(super) struct Group<'d> {
    pub(super) name: String,
    pub(super) members: Vec<Member<'d>>,
    pub(super) entries: Vec<ServerLine>,
}

/// A service of the table with its key.
pub(super) type Member<'d> = (&'d ServiceKey, &'d DesiredService);

/// A server of the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ServerLine {
    pub(super) name: Option<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) weight: Weight,
    pub(super) upper: u32,
    pub(super) lower: u32,
    pub(super) forward: ForwardMethod,
    pub(super) tunnel: Tunnel,
}

/// The services of a file, ordered by their first keys.
pub(super) fn groups(desired: &Desired) -> Vec<Group<'_>> {
    let mut by_name: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    for (key, service) in &desired.services {
        let members = by_name.entry(&service.name).or_default();
        members.push((key, service));
    }
    let mut taken: HashSet<String> = by_name.keys().map(|name| (*name).to_owned()).collect();
    let mut groups = Vec::new();
    for (name, members) in by_name {
        if let Some(entries) = together(&members) {
            groups.push(Group {
                name: name.to_owned(),
                members,
                entries,
            });
            continue;
        }
        // No file could declare these under one name: each gets one of its own.
        for (index, member) in members.into_iter().enumerate() {
            let name = match index {
                0 => name.to_owned(),
                _ => free_name(member.0, &mut taken),
            };
            groups.push(Group {
                name,
                members: vec![member],
                entries: alone(member),
            });
        }
    }
    groups.sort_by_key(|group| group.members.first().map(|(key, _)| *key));
    groups
}

fn free_name(key: &ServiceKey, taken: &mut HashSet<String>) -> String {
    let mut name = observed::name(key);
    // Each round tries a longer name, and only finitely many are taken.
    while !taken.insert(name.clone()) {
        name.push('+');
    }
    name
}

/// The one list of servers that gives each member its own, if there is one.
fn together(members: &[Member<'_>]) -> Option<Vec<ServerLine>> {
    let ((_, first), rest) = members.split_first()?;
    let settings = |service: &DesiredService| {
        let kernel = &service.service;
        (
            kernel.scheduler,
            kernel.flags,
            kernel.timeout,
            kernel.engine,
            service.drain,
            service.allow,
        )
    };
    if rest
        .iter()
        .any(|(_, service)| settings(service) != settings(first))
    {
        return None;
    }
    let masks: HashSet<Netmask> = members
        .iter()
        .map(|(_, service)| service.service.netmask)
        .collect();
    let families: HashSet<Family> = masks.iter().map(|mask| mask.family()).collect();
    if masks.len() != families.len() {
        return None;
    }
    [Ports::Relative, Ports::Absolute]
        .into_iter()
        .map(|ports| merged(members, ports))
        .find(|entries| says_the_same(members, entries))
}

/// The list of a single service: unchanged, except for what would merge two servers.
fn alone(member: Member<'_>) -> Vec<ServerLine> {
    let merged = merged(&[member], Ports::Relative);
    if says_the_same(&[member], &merged) {
        return merged;
    }
    let mut names = HashSet::new();
    let mut entries: Vec<ServerLine> = entries(member, Ports::Relative).collect();
    for entry in &mut entries {
        entry.name = entry.name.take().filter(|name| names.insert(name.clone()));
    }
    entries
}

/// How ports are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    /// Omitted where they equal the service's.
    Relative,
    /// All.
    Absolute,
}

fn entries<'d>((key, service): Member<'d>, ports: Ports) -> impl Iterator<Item = ServerLine> + 'd {
    let service_port = resolve::service_port(key);
    service.servers.iter().map(move |(server_key, held)| {
        let server = &held.server;
        let implied = ports == Ports::Relative && server_key.port == service_port;
        ServerLine {
            name: held.name().map(str::to_owned),
            addresses: vec![server_key.address],
            port: (!implied).then_some(server_key.port),
            weight: server.weight,
            upper: server.upper_threshold,
            lower: server.lower_threshold,
            forward: server.forward,
            tunnel: server.tunnel,
        }
    })
}

/// The members' servers, each once; those with one name in one entry.
fn merged(members: &[Member<'_>], ports: Ports) -> Vec<ServerLine> {
    let mut seen = HashSet::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut merged: Vec<ServerLine> = Vec::new();
    for entry in members.iter().flat_map(|member| entries(*member, ports)) {
        if !seen.insert(entry.clone()) {
            continue;
        }
        let same_name = entry.name.as_ref().and_then(|name| by_name.get(name));
        if let Some(first) = same_name.map(|index| &mut merged[*index]) {
            let addresses = entry.addresses.clone();
            let first_address = first.addresses.clone();
            if (ServerLine {
                addresses: first_address,
                ..entry
            }) == *first
            {
                first.addresses.extend(addresses);
            }
            // Otherwise the check that follows detects the missing server.
            continue;
        }
        if let Some(name) = &entry.name {
            by_name.insert(name.clone(), merged.len());
        }
        merged.push(entry);
    }
    merged
}

/// Whether the list, read like a file, gives each member exactly its servers.
fn says_the_same(members: &[Member<'_>], entries: &[ServerLine]) -> bool {
    let mut families: Vec<Family> = members.iter().map(|(key, _)| key.family()).collect();
    families.dedup();
    let candidates = entries.iter().map(|entry| Candidate {
        addresses: entry.addresses.as_slice(),
        tunnelled: entry.forward == ForwardMethod::Tunnel,
    });
    let mut used = vec![false; entries.len()];
    let mut shares = HashMap::new();
    for family in &families {
        let taken = resolve::taken(*family, &families, candidates.clone(), |address| *address);
        taken.iter().for_each(|taken| used[taken.entry()] = true);
        shares.insert(*family, taken);
    }
    let same = members.iter().all(|(key, service)| {
        let Some(taken) = shares.get(&key.family()) else {
            return false;
        };
        taken.len() == service.servers.len()
            && taken.iter().all(|taken| {
                let entry = &entries[taken.entry()];
                let read = read(entry, entry.addresses[taken.address()], key);
                service.servers.get(&read.server.key) == Some(&read)
            })
    });
    // An unused server would be a mistake in the file.
    same && used.into_iter().all(|used| used)
}

/// The server that an entry becomes under a service.
fn read(entry: &ServerLine, address: IpAddr, key: &ServiceKey) -> DesiredServer {
    let service_port = resolve::service_port(key);
    let server_key = ServerKey::new(address, entry.port.unwrap_or(service_port));
    DesiredServer {
        name: entry.name.clone().map(Arc::new),
        server: Server::new(server_key, entry.forward)
            .weight(entry.weight)
            .thresholds(entry.upper, entry.lower)
            .tunnel(entry.tunnel),
    }
}
