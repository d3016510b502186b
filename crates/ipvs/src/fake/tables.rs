//! The tables of the in-memory kernel: a small `net/netfilter/ipvs/ip_vs_ctl.c` with the same
//! checks in the same order.

use std::collections::BTreeMap;

use crate::error::Errno;
use crate::model::{
    DaemonRole, Family, ForwardMethod, Info, Name, Netmask, Server, ServerEntry, ServerKey,
    Service, ServiceEntry, ServiceKey, Stats, SyncDaemon, Timeouts, TunnelKind, Version,
};
use crate::operation::{Operation, Query};
use crate::wire::{self, Command};

/// The schedulers of Linux 6.1.
const SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "sed", "nq", "mh", "none",
];

/// `ip_vs_set_timeout`: `INT_MAX` clock ticks, at 100 ticks per second here (`HZ`).
const MAX_TIMEOUT: u32 = i32::MAX.unsigned_abs() / 100;

#[derive(Debug)]
pub(super) struct Tables {
    services: BTreeMap<ServiceKey, Held>,
    daemons: BTreeMap<DaemonRole, SyncDaemon>,
    pub(super) timeouts: Timeouts,
}

#[derive(Debug)]
struct Held {
    entry: ServiceEntry,
    servers: Vec<ServerEntry>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            services: BTreeMap::new(),
            daemons: BTreeMap::new(),
            timeouts: Timeouts {
                tcp: 900,
                tcp_fin: 120,
                udp: 300,
            },
        }
    }
}

impl Tables {
    pub(super) const INFO: Info = Info {
        version: Version {
            major: 1,
            minor: 2,
            patch: 1,
        },
        connection_table_size: 4096,
    };

    pub(super) fn services(&self) -> Vec<ServiceEntry> {
        self.services.values().map(|held| held.entry).collect()
    }

    pub(super) fn service(&self, key: &ServiceKey) -> Option<ServiceEntry> {
        self.services.get(key).map(|held| held.entry)
    }

    pub(super) fn servers(&self, key: &ServiceKey) -> Vec<ServerEntry> {
        self.services
            .get(key)
            .map(|held| held.servers.clone())
            .unwrap_or_default()
    }

    pub(super) fn daemons(&self) -> Vec<SyncDaemon> {
        self.daemons.values().copied().collect()
    }

    pub(super) fn count(
        &mut self,
        key: &ServiceKey,
        change: impl FnOnce(&mut ServiceEntry, &mut Vec<ServerEntry>),
    ) {
        if let Some(held) = self.services.get_mut(key) {
            change(&mut held.entry, &mut held.servers);
        }
    }

    pub(super) fn apply(&mut self, operation: &Operation) -> Result<(), Errno> {
        check_names(operation)?;
        match *operation {
            Operation::AddService(service) => {
                if self.services.contains_key(&service.key) {
                    return Err(Errno::EEXIST);
                }
                check_service(&service)?;
                let entry = ServiceEntry {
                    service,
                    stats: Stats::default(),
                };
                self.services.insert(
                    service.key,
                    Held {
                        entry,
                        servers: Vec::new(),
                    },
                );
                Ok(())
            }
            Operation::UpdateService(service) => {
                let held = self.services.get_mut(&service.key).ok_or(Errno::ESRCH)?;
                check_service(&service)?;
                held.entry.service = service;
                Ok(())
            }
            Operation::DeleteService(key) => {
                self.services.remove(&key).map(|_| ()).ok_or(Errno::ESRCH)
            }
            Operation::AddServer(key, server) => {
                self.check_server(&key, &server)?;
                let held = self.services.get_mut(&key).ok_or(Errno::ESRCH)?;
                if held
                    .servers
                    .iter()
                    .any(|entry| entry.server.key == server.key)
                {
                    return Err(Errno::EEXIST);
                }
                check_address(&server)?;
                let entry = ServerEntry {
                    server,
                    active: 0,
                    inactive: 0,
                    persistent: 0,
                    stats: Stats::default(),
                };
                // `list_add_rcu`: the newest comes first.
                held.servers.insert(0, entry);
                Ok(())
            }
            Operation::UpdateServer(key, server) => {
                self.check_server(&key, &server)?;
                let entry = self.server_mut(&key, &server.key)?;
                entry.server = server;
                Ok(())
            }
            Operation::DeleteServer(key, server) => {
                let held = self.services.get_mut(&key).ok_or(Errno::ESRCH)?;
                let place = held
                    .servers
                    .iter()
                    .position(|entry| entry.server.key == server);
                held.servers.remove(place.ok_or(Errno::ENOENT)?);
                Ok(())
            }
            Operation::ZeroService(key) => {
                let held = self.services.get_mut(&key).ok_or(Errno::ESRCH)?;
                zero(held);
                Ok(())
            }
            Operation::ZeroAll => {
                self.services.values_mut().for_each(zero);
                Ok(())
            }
            Operation::Flush => {
                self.services.clear();
                Ok(())
            }
            Operation::SetTimeouts(timeouts) => {
                let Timeouts { tcp, tcp_fin, udp } = timeouts;
                if [tcp, tcp_fin, udp].iter().any(|limit| *limit > MAX_TIMEOUT) {
                    return Err(Errno::EINVAL);
                }
                let held = &mut self.timeouts;
                for (held, wanted) in [
                    (&mut held.tcp, timeouts.tcp),
                    (&mut held.tcp_fin, timeouts.tcp_fin),
                    (&mut held.udp, timeouts.udp),
                ] {
                    if wanted != 0 {
                        *held = wanted;
                    }
                }
                Ok(())
            }
            Operation::StartDaemon(daemon) => self.start(daemon),
            Operation::StopDaemon(role) => {
                self.daemons.remove(&role).map(|_| ()).ok_or(Errno::ESRCH)
            }
        }
    }

    fn server_mut(
        &mut self,
        key: &ServiceKey,
        server: &ServerKey,
    ) -> Result<&mut ServerEntry, Errno> {
        let held = self.services.get_mut(key).ok_or(Errno::ESRCH)?;
        held.servers
            .iter_mut()
            .find(|entry| entry.server.key == *server)
            .ok_or(Errno::ENOENT)
    }

    /// `ip_vs_genl_set_cmd` and the start of `ip_vs_add_dest`.
    fn check_server(&self, key: &ServiceKey, server: &Server) -> Result<(), Errno> {
        if !self.services.contains_key(key) {
            return Err(Errno::ESRCH);
        }
        if key.family() != Family::of(server.key.address) {
            let tunnelled = server.forward == ForwardMethod::Tunnel;
            if !tunnelled || !self.daemons.is_empty() {
                return Err(Errno::EINVAL);
            }
        }
        if server.lower_threshold > server.upper_threshold {
            return Err(Errno::ERANGE);
        }
        let tunnel = server.tunnel;
        if tunnel.kind == TunnelKind::Gue && tunnel.port == 0 {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// `ip_vs_genl_new_daemon` and the start of `start_sync_thread`.
    fn start(&mut self, mut daemon: SyncDaemon) -> Result<(), Errno> {
        let mixed = self.services.iter().any(|(key, held)| {
            let other = |entry: &ServerEntry| key.family() != Family::of(entry.server.key.address);
            held.servers.iter().any(other)
        });
        if mixed || daemon.group.is_some_and(|group| !group.is_multicast()) {
            return Err(Errno::EINVAL);
        }
        if daemon.interface == Name::from_static("nowhere") {
            return Err(Errno::ENODEV);
        }
        if self.daemons.contains_key(&daemon.role) {
            return Err(Errno::EEXIST);
        }
        daemon.group = daemon.group.or(Some(SyncDaemon::DEFAULT_GROUP.into()));
        if daemon.port == 0 {
            daemon.port = SyncDaemon::DEFAULT_PORT;
        }
        if daemon.ttl == 0 {
            daemon.ttl = SyncDaemon::DEFAULT_TTL;
        }
        if daemon.max_length == 0 {
            daemon.max_length = 1472;
        }
        self.daemons.insert(daemon.role, daemon);
        Ok(())
    }

    pub(super) fn dump(&self, query: &Query) -> Box<dyn Iterator<Item = DumpEntry> + '_> {
        match query {
            Query::Services => Box::new(
                self.services
                    .values()
                    .map(|held| DumpEntry::Service(held.entry)),
            ),
            Query::Servers(key) => {
                let servers = self.services.get(key).map(|held| held.servers.as_slice());
                Box::new(
                    servers
                        .unwrap_or_default()
                        .iter()
                        .copied()
                        .map(DumpEntry::Server),
                )
            }
            _ => Box::new(self.daemons.values().copied().map(DumpEntry::Daemon)),
        }
    }
}

fn zero(held: &mut Held) {
    held.entry.stats = Stats::default();
    for entry in &mut held.servers {
        entry.stats = Stats::default();
    }
}

/// The attribute policy: names of schedulers and interfaces have at most 15 bytes.
fn check_names(operation: &Operation) -> Result<(), Errno> {
    let name = match operation {
        Operation::AddService(service) | Operation::UpdateService(service) => service.scheduler,
        Operation::StartDaemon(daemon) => daemon.interface,
        _ => return Ok(()),
    };
    if name.as_bytes().len() < Name::MAX {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// `ip_vs_add_service` and `ip_vs_edit_service`.
fn check_service(service: &Service) -> Result<(), Errno> {
    if !SCHEDULERS.iter().any(|name| service.scheduler == *name) {
        return Err(Errno::ENOENT);
    }
    if service.engine.is_some_and(|engine| engine != *"sip") {
        return Err(Errno::ENOENT);
    }
    match service.netmask {
        Netmask::V6(prefix) if !(1..=128).contains(&prefix) => Err(Errno::EINVAL),
        _ => Ok(()),
    }
}

/// `ip_vs_new_dest`: the address must be unicast.
fn check_address(server: &Server) -> Result<(), Errno> {
    let address = server.key.address;
    let broadcast = matches!(address, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_multicast() || address.is_unspecified() || broadcast {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// An entry of a dump.
pub(super) enum DumpEntry {
    Service(ServiceEntry),
    Server(ServerEntry),
    Daemon(SyncDaemon),
}

impl DumpEntry {
    pub(super) fn command(&self) -> Command {
        match self {
            Self::Service(_) => Command::NewService,
            Self::Server(_) => Command::NewDest,
            Self::Daemon(_) => Command::NewDaemon,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Service(entry) => wire::encode_service_reply(entry, out),
            Self::Server(entry) => wire::encode_server_reply(entry, out),
            Self::Daemon(daemon) => wire::encode_daemon_reply(daemon, out),
        }
    }
}
