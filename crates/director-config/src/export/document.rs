//! The service file as a tree of keys and values, without defaults.

use std::collections::HashMap;

use ipvs::{
    Family, ForwardMethod, Netmask, Protocol, Service, ServiceFlags, ServiceKey, SyncDaemon,
    Tunnel, TunnelFlags, TunnelKind,
};
use serde_json::{Map, Value, json};

use super::super::decode::scheduler::{AS_GIVEN, FLAG_BITS};
use super::super::decode::time::write as time;
use super::super::decode::tunnel::forward_word;
use super::super::vocabulary::{ENGINES, SCHEDULERS, Word};
use super::group::{Group, ServerLine, groups};
use super::pools::Pools;
use crate::state::health::MarkRange;
use crate::state::{
    Desired, DesiredService, Drift, Foreign, KernelSettings, Policy, SysctlKind, is_private,
};

/// The file's tree.
pub(super) fn document(desired: &Desired) -> Map<String, Value> {
    let mut root = Map::new();
    root.insert("version".to_owned(), 1.into());
    put(&mut root, "kernel", kernel(&desired.kernel));
    put(&mut root, "policy", policy(&desired.policy));
    if let Some(daemons) = &desired.daemons {
        root.insert("sync".to_owned(), daemons.values().map(daemon).collect());
    }
    let groups = groups(desired);
    let usual = Usual::of(&groups);
    put(&mut root, "defaults", usual.defaults());
    let lists: Vec<Value> = groups.iter().map(servers).collect();
    let pools = Pools::of(&groups, &lists);
    let mut named = Map::new();
    for (name, list) in &pools.lists {
        named.insert((*name).to_owned(), json!({ "servers": list }));
    }
    named.sort_keys();
    put(&mut root, "pool", named);
    let services = groups.iter().zip(&lists).enumerate();
    let services = services.map(|(index, (group, list))| {
        let pool = pools.name(index);
        (
            group.name.clone(),
            Value::Object(service(group, list, pool, &usual)),
        )
    });
    put(&mut root, "service", services.collect());
    root
}

fn put(into: &mut Map<String, Value>, key: &str, table: Map<String, Value>) {
    if !table.is_empty() {
        into.insert(key.to_owned(), table.into());
    }
}

/// Text as a string of the file: dollar signs would be variables.
fn text(text: &str) -> Value {
    text.replace('$', "$$").into()
}

fn kernel(settings: &KernelSettings) -> Map<String, Value> {
    let mut timeouts = Map::new();
    for (name, seconds) in [
        ("tcp", settings.tcp_timeout),
        ("tcp_fin", settings.tcp_fin_timeout),
        ("udp", settings.udp_timeout),
    ] {
        if let Some(seconds) = seconds {
            timeouts.insert(name.to_owned(), self::seconds(seconds));
        }
    }
    let mut kernel = Map::new();
    put(&mut kernel, "timeouts", timeouts);
    for (sysctl, value) in &settings.sysctls {
        let number = |text: &str| text.parse::<i64>().ok().map(Value::from);
        let said = match sysctl.kind() {
            SysctlKind::Flag if value == "0" => Some(false.into()),
            SysctlKind::Flag if value == "1" => Some(true.into()),
            SysctlKind::Flag | SysctlKind::Number { .. } => number(value),
            SysctlKind::Pair => value.split_whitespace().map(number).collect(),
            SysctlKind::Text => Some(text(value)),
        };
        kernel.extend(said.map(|said| (sysctl.name().to_owned(), said)));
    }
    kernel
}

fn seconds(seconds: u32) -> Value {
    time(std::time::Duration::from_secs(seconds.into())).into()
}

fn policy(policy: &Policy) -> Map<String, Value> {
    let mut said = Map::new();
    let usual = Policy::default();
    if policy.foreign != usual.foreign {
        let word = match policy.foreign {
            Foreign::Keep => "keep",
            Foreign::Remove => "remove",
        };
        said.insert("foreign".to_owned(), word.into());
    }
    if policy.drift != usual.drift {
        let word = match policy.drift {
            Drift::Repair => "repair",
            Drift::Report => "report",
        };
        said.insert("drift".to_owned(), word.into());
    }
    if policy.max_removed != usual.max_removed {
        said.insert(
            "max_removed".to_owned(),
            policy.max_removed.to_string().into(),
        );
    }
    if policy.max_removed_services != usual.max_removed_services {
        said.insert(
            "max_removed_services".to_owned(),
            policy.max_removed_services.to_string().into(),
        );
    }
    said
}

fn daemon(daemon: &SyncDaemon) -> Value {
    let mut said = Map::new();
    let mut put = |key: &str, value: Value| said.insert(key.to_owned(), value);
    put("role", daemon.role.to_string().into());
    put("interface", text(&daemon.interface.to_string()));
    if daemon.sync_id.0 != 0 {
        put("id", daemon.sync_id.0.into());
    }
    if daemon.max_length != 0 {
        put("max_length", daemon.max_length.into());
    }
    if let Some(group) = daemon.group {
        put("group", group.to_string().into());
    }
    if daemon.port != 0 {
        put("port", daemon.port.into());
    }
    if daemon.ttl != 0 {
        put("ttl", daemon.ttl.into());
    }
    said.into()
}

/// Values that most services share, so that they become defaults.
struct Usual {
    scheduler: Value,
    forward: ForwardMethod,
}

impl Usual {
    fn of(groups: &[Group<'_>]) -> Self {
        let schedulers = groups.iter().filter_map(|group| group.members.first());
        let schedulers = schedulers.map(|(_, service)| scheduler(&service.service));
        let forwards = groups.iter().filter(|group| !group.entries.is_empty());
        Self {
            scheduler: most_frequent(schedulers).unwrap_or_else(|| "wlc".into()),
            forward: most_frequent(forwards.map(forward)).unwrap_or(ForwardMethod::DirectRoute),
        }
    }

    fn defaults(&self) -> Map<String, Value> {
        let mut defaults = Map::new();
        if self.scheduler != "wlc" {
            defaults.insert("scheduler".to_owned(), self.scheduler.clone());
        }
        if self.forward != ForwardMethod::DirectRoute {
            defaults.insert("forward".to_owned(), forward_word(self.forward).into());
        }
        defaults
    }
}

/// The most frequent value; the first of several equally frequent ones.
fn most_frequent<T: Eq + std::hash::Hash + Clone>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: HashMap<T, (usize, usize)> = HashMap::new();
    for (place, value) in values.enumerate() {
        counts.entry(value).or_insert((0, usize::MAX - place)).0 += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(value, _)| value)
}

/// The forwarding method of most of a service's servers.
fn forward(group: &Group<'_>) -> ForwardMethod {
    most_frequent(group.entries.iter().map(|entry| entry.forward))
        .unwrap_or(ForwardMethod::DirectRoute)
}

/// The encapsulation of a service's tunnelled servers, if they share one that is not the default.
fn tunnel(group: &Group<'_>) -> Option<Tunnel> {
    let tunnelled = |entry: &&ServerLine| entry.forward == ForwardMethod::Tunnel;
    let mut tunnels = group
        .entries
        .iter()
        .filter(tunnelled)
        .map(|entry| entry.tunnel);
    let first = tunnels.next().filter(|first| *first != Tunnel::IPIP)?;
    tunnels.all(|tunnel| tunnel == first).then_some(first)
}

fn service(
    group: &Group<'_>,
    list: &Value,
    pool: Option<&str>,
    usual: &Usual,
) -> Map<String, Value> {
    let mut said = Map::new();
    let mut put = |key: &str, value: Value| said.insert(key.to_owned(), value);
    put("listen", one_or_list(listens(group)));
    let Some((_, first)) = group.members.first() else {
        return said;
    };
    let scheduler = scheduler(&first.service);
    if scheduler != usual.scheduler {
        put("scheduler", scheduler);
    }
    if let Some(persistence) = persistence(group) {
        put("persistence", persistence);
    }
    if first.service.flags.contains(ServiceFlags::ONE_PACKET) {
        put("one_packet", true.into());
    }
    let forward = forward(group);
    if forward != usual.forward && !group.entries.is_empty() {
        put("forward", forward_word(forward).into());
    }
    if let Some(tunnel) = tunnel(group) {
        put("tunnel", self::tunnel_table(&tunnel));
    }
    if first.drain != DesiredService::DEFAULT_DRAIN {
        put("drain", time(first.drain).into());
    }
    if !first.allow.is_empty() {
        put(
            "allow",
            first.allow.iter().map(|code| code.name()).collect(),
        );
    }
    if is_odd(group) {
        put("as_is", true.into());
    }
    match pool {
        Some(pool) => put("pool", text(pool)),
        None => put("servers", list.clone()),
    };
    said
}

/// The group's listen addresses, with consecutive ports as ranges.
fn listens(group: &Group<'_>) -> Vec<Value> {
    let keys: Vec<&ServiceKey> = group.members.iter().map(|(key, _)| *key).collect();
    let in_a_row = |one: &&ServiceKey, next: &&ServiceKey| match (one, next) {
        (
            ServiceKey::Address {
                protocol,
                address,
                port,
            },
            ServiceKey::Address {
                protocol: next_protocol,
                address: next_address,
                port: next_port,
            },
        ) => {
            let same = (protocol, address) == (next_protocol, next_address);
            same && *port != 0 && port.checked_add(1) == Some(*next_port)
        }
        _ => false,
    };
    let rows = keys.chunk_by(in_a_row);
    let said = rows.filter_map(|row| Some((row.first()?, row.last()?)));
    let said = said.map(|(first, last)| match (first, last) {
        (
            ServiceKey::Address {
                protocol,
                address,
                port: 0,
            },
            _,
        ) => match Family::of(*address) {
            Family::V4 => format!("{protocol}://{address}"),
            Family::V6 => format!("{protocol}://[{address}]"),
        },
        (first, ServiceKey::Address { port, .. }) if first != last => format!("{first}-{port}"),
        (first, _) => first.to_string(),
    });
    said.map(Value::from).collect()
}

/// A single value as it is, several as a list.
fn one_or_list(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.remove(0),
        _ => values.into(),
    }
}

fn scheduler(service: &Service) -> Value {
    let name = kernel_word(&service.scheduler.to_string(), SCHEDULERS);
    let flags = flags(service);
    match flags.is_empty() {
        true => text(&name),
        false => json!({ "name": text(&name), "flags": flags }),
    }
}

/// The flags of the service's scheduler.
pub(super) fn flags(service: &Service) -> Vec<Value> {
    let name = service.scheduler.to_string();
    let other = ServiceFlags::PERSISTENT | ServiceFlags::ONE_PACKET;
    let bits = service.flags.difference(other);
    let hashes = name == "sh" || name == "mh";
    let words = match hashes {
        true => ["fallback", "port", "flag-3"],
        false => ["flag-1", "flag-2", "flag-3"],
    };
    let named = [
        ServiceFlags::SCHED_1,
        ServiceFlags::SCHED_2,
        ServiceFlags::SCHED_3,
    ];
    let mut flags: Vec<Value> = Vec::new();
    for (word, bit) in words.into_iter().zip(named) {
        if bits.contains(bit) {
            flags.push(word.into());
        }
    }
    let nameless = bits.difference(FLAG_BITS);
    if !nameless.is_empty() {
        flags.push(format!("{:#x}", nameless.bits()).into());
    }
    flags
}

/// The mask by which a service recognizes clients, under its key, unless it is the whole address.
pub(super) fn masks(service: &Service) -> Option<(String, Value)> {
    match service.netmask {
        mask if mask == Netmask::host(mask.family()) => None,
        Netmask::V4(mask) => Some(("mask".to_owned(), mask.to_string().into())),
        Netmask::V6(length) => Some(("mask6".to_owned(), length.into())),
    }
}

/// The name of a scheduler or an engine; one that this version does not know is marked as given.
fn kernel_word(name: &str, known: &[Word]) -> String {
    match known.iter().any(|word| word.name == name) {
        true => name.to_owned(),
        false => format!("{AS_GIVEN}{name}"),
    }
}

fn persistence(group: &Group<'_>) -> Option<Value> {
    let (_, first) = group.members.first()?;
    let service = &first.service;
    let persistent = service.flags.contains(ServiceFlags::PERSISTENT);
    let mut said = Map::new();
    let mut put = |key: &str, value: Value| said.insert(key.to_owned(), value);
    if !persistent {
        put("enabled", false.into());
    }
    if persistent || service.timeout != 0 {
        put("timeout", seconds(service.timeout));
    }
    for (_, member) in &group.members {
        said.extend(masks(&member.service));
    }
    let mut put = |key: &str, value: Value| said.insert(key.to_owned(), value);
    if let Some(engine) = service.engine {
        put("engine", text(&kernel_word(&engine.to_string(), ENGINES)));
    }
    match (persistent, said.len()) {
        (true, 1) if service.timeout != 0 => Some(seconds(service.timeout)),
        (false, 1) => None,
        _ => Some(said.into()),
    }
}

pub(super) fn tunnel_table(tunnel: &Tunnel) -> Value {
    let kind = match tunnel.kind {
        TunnelKind::Ipip => "ipip".to_owned(),
        TunnelKind::Gue => "gue".to_owned(),
        TunnelKind::Gre => "gre".to_owned(),
        TunnelKind::Other(number) => format!("type-{number}"),
    };
    let mut said = Map::new();
    said.insert("type".to_owned(), kind.into());
    if tunnel.port != 0 {
        said.insert("port".to_owned(), tunnel.port.into());
    }
    let (key, value) = match tunnel.flags {
        TunnelFlags::NONE => return said.into(),
        TunnelFlags::CSUM => ("checksum", true.into()),
        TunnelFlags::REMCSUM => ("checksum", "remote".into()),
        other => ("flags", other.bits().into()),
    };
    said.insert(key.to_owned(), value);
    said.into()
}

/// The service's servers, as strings where those say everything.
fn servers(group: &Group<'_>) -> Value {
    let forward = forward(group);
    let tunnel = tunnel(group);
    let server = |entry: &ServerLine| server(entry, forward, tunnel);
    group.entries.iter().map(server).collect()
}

fn server(entry: &ServerLine, forward: ForwardMethod, tunnel: Option<Tunnel>) -> Value {
    let mut said = Map::new();
    let mut put = |key: &str, value: Value| said.insert(key.to_owned(), value);
    if let Some(name) = &entry.name {
        put("name", text(name));
    }
    let addresses = entry.addresses.iter();
    let addresses = addresses.map(|address| Value::from(address.to_string()));
    put("address", one_or_list(addresses.collect()));
    if let Some(port) = entry.port {
        put("port", port.into());
    }
    let key = entry
        .addresses
        .first()
        .map(|address| (*address, entry.port));
    if entry.weight != ipvs::Weight::ONE {
        put("weight", entry.weight.get().into());
    }
    match (entry.upper, entry.lower) {
        (0, 0) => {}
        (upper, 0) => {
            put("max_connections", upper.into());
        }
        (upper, lower) => {
            put("max_connections", json!({ "upper": upper, "lower": lower }));
        }
    }
    if entry.forward != forward {
        put("forward", forward_word(entry.forward).into());
    }
    let inherited = match entry.forward {
        ForwardMethod::Tunnel => tunnel.unwrap_or(Tunnel::IPIP),
        _ => Tunnel::IPIP,
    };
    if entry.tunnel != inherited {
        put("tunnel", tunnel_table(&entry.tunnel));
    }
    let plain = said.len() == 1 + usize::from(entry.port.is_some()) && entry.name.is_none();
    match key {
        Some((address, None)) if plain && entry.addresses.len() == 1 => address.to_string().into(),
        Some((address, Some(port))) if plain && entry.addresses.len() == 1 => {
            std::net::SocketAddr::new(address, port).to_string().into()
        }
        _ => said.into(),
    }
}

/// Whether the service has something that is a mistake in a file unless `as_is` is set.
fn is_odd(group: &Group<'_>) -> bool {
    let service = |(key, held): &(&ServiceKey, &DesiredService)| {
        let service = &held.service;
        let address = matches!(key, ServiceKey::Address { .. });
        let port = super::super::resolve::service_port(key);
        let moved = |server: &crate::state::DesiredServer| {
            server.server.forward != ForwardMethod::Masquerade && server.server.key.port != port
        };
        let not_udp = key
            .protocol()
            .is_some_and(|protocol| protocol != Protocol::Udp);
        held.servers.is_empty()
            || is_private(key, &MarkRange::DEFAULT)
            || not_udp && service.flags.contains(ServiceFlags::ONE_PACKET)
            || address && port == 0 && !service.flags.contains(ServiceFlags::PERSISTENT)
            || address && held.servers.values().any(moved)
    };
    let odd_tunnel = |entry: &ServerLine| {
        let tunnel = &entry.tunnel;
        let flags = match tunnel.kind {
            TunnelKind::Ipip => TunnelFlags::NONE,
            TunnelKind::Gre => TunnelFlags::CSUM,
            TunnelKind::Gue => TunnelFlags::CSUM | TunnelFlags::REMCSUM,
            TunnelKind::Other(_) => return false,
        };
        let port = tunnel.port != 0 && tunnel.kind != TunnelKind::Gue;
        port || !flags.contains(tunnel.flags)
    };
    group.members.iter().any(service) || group.entries.iter().any(odd_tunnel)
}
