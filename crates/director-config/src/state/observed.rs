//! The kernel's state.

use std::collections::BTreeMap;

use ipvs::{
    DaemonRole, Server, ServerEntry, ServerKey, Service, ServiceKey, SyncDaemon, Table, Timeouts,
};

use super::{Servers, Sysctl};

/// The state of IPVS in one network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The virtual services.
    pub services: BTreeMap<ServiceKey, ObservedService>,
    /// Private services of checks through the forwarding path, once
    /// [`hide_private`](Self::hide_private) has moved them here.
    pub private: BTreeMap<ServiceKey, ObservedService>,
    /// The connection timeouts.
    pub timeouts: Timeouts,
    /// The running sync daemons.
    pub daemons: BTreeMap<DaemonRole, SyncDaemon>,
    /// The IPVS sysctls of this kernel, with the words of a value separated by one blank.
    pub sysctls: BTreeMap<Sysctl, String>,
}

/// A virtual service in the kernel, without counters, like its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedService {
    /// The service's configuration.
    pub service: Service,
    /// Its real servers.
    pub servers: Servers<ObservedServer>,
    /// The servers' keys in the order in which they were added, if that differs from key order. It
    /// decides which client goes where under `sh`, so code that restores a service adds them in
    /// this order: [`ObservedService::as_added`].
    pub order: Vec<ServerKey>,
}

/// A real server in the kernel: its configuration and connections. Without counters, which no plan
/// uses and which would be larger than everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedServer {
    /// The server's configuration.
    pub server: Server,
    /// Connections in a state that counts as active, such as an established TCP connection.
    pub active: u32,
    /// Other connections: closing TCP connections, UDP flows.
    pub inactive: u32,
    /// Persistence templates for this server.
    pub persistent: u32,
}

impl ObservedServer {
    /// A server without connections.
    #[must_use]
    pub const fn idle(server: Server) -> Self {
        Self {
            server,
            active: 0,
            inactive: 0,
            persistent: 0,
        }
    }
}

impl From<ServerEntry> for ObservedServer {
    fn from(entry: ServerEntry) -> Self {
        Self {
            server: entry.server,
            active: entry.active,
            inactive: entry.inactive,
            persistent: entry.persistent,
        }
    }
}

impl ObservedService {
    /// A service without servers.
    #[must_use]
    pub const fn new(service: Service) -> Self {
        Self {
            service,
            servers: Servers::new(),
            order: Vec::new(),
        }
    }

    /// A service in the kernel's list order, last added first.
    #[must_use]
    pub fn listed(service: Service, mut servers: Vec<ObservedServer>) -> Self {
        servers.reverse();
        let keys = || servers.iter().map(|entry| entry.server.key);
        let order = match keys().is_sorted() {
            true => Vec::new(),
            false => keys().collect(),
        };
        Self {
            service,
            servers: servers.into_iter().collect(),
            order,
        }
    }

    /// Adds a server as the last one; replaces one with the same key.
    pub fn add(&mut self, server: ObservedServer) {
        let key = server.server.key;
        self.remove(&key);
        let last = self.servers.keys().last();
        if !self.order.is_empty() {
            self.order.push(key);
        } else if last.is_some_and(|last| *last > key) {
            self.order = self.servers.keys().copied().chain([key]).collect();
        }
        self.servers.insert(key, server);
    }

    /// Removes a server.
    pub fn remove(&mut self, key: &ServerKey) -> Option<ObservedServer> {
        self.order.retain(|other| other != key);
        self.servers.remove(key)
    }

    /// The servers in the order in which they were added.
    pub fn as_added(&self) -> impl Iterator<Item = &ObservedServer> {
        let by_key = self.order.is_empty().then(|| self.servers.values());
        let as_said = self.order.iter().filter_map(|key| self.servers.get(key));
        by_key.into_iter().flatten().chain(as_said)
    }
}

impl Observed {
    /// The services of a consistent dump.
    #[must_use]
    pub fn services(table: Table<ObservedServer>) -> BTreeMap<ServiceKey, ObservedService> {
        let service = |service: ipvs::TableService<ObservedServer>| {
            let ipvs::TableService { entry, servers } = service;
            let listed = ObservedService::listed(entry.service, servers);
            (entry.service.key, listed)
        };
        table.services.into_iter().map(service).collect()
    }
}

#[cfg(test)]
mod tests {
    use ipvs::ForwardMethod;

    use super::*;

    fn server(host: u8) -> ObservedServer {
        let key = ServerKey::new([10, 0, 0, host], 80);
        ObservedServer::idle(Server::new(key, ForwardMethod::Masquerade))
    }

    #[test]
    fn the_order_in_which_servers_were_added_is_kept() {
        let key = ServiceKey::tcp([192, 0, 2, 1], 80);
        let mut service = ObservedService::new(Service::new(key, Service::RR));
        let added = |service: &ObservedService| -> Vec<_> {
            let keys = service.as_added().map(|entry| entry.server.key);
            keys.map(|key| key.address.to_string()).collect()
        };
        service.add(server(2));
        service.add(server(3));
        assert_eq!(service.order, []);
        assert_eq!(added(&service), ["10.0.0.2", "10.0.0.3"]);
        service.add(server(1));
        service.add(server(4));
        service.remove(&server(2).server.key);
        assert_eq!(added(&service), ["10.0.0.3", "10.0.0.1", "10.0.0.4"]);
        service.add(server(3));
        assert_eq!(added(&service), ["10.0.0.1", "10.0.0.4", "10.0.0.3"]);
    }

    #[test]
    fn a_listed_service_is_the_one_that_its_servers_were_added_to() {
        let key = ServiceKey::tcp([192, 0, 2, 1], 80);
        for added in [&[1, 2, 3][..], &[2, 3, 1], &[]] {
            let mut built = ObservedService::new(Service::new(key, Service::RR));
            added.iter().for_each(|host| built.add(server(*host)));
            let list = added.iter().rev().map(|host| server(*host)).collect();
            assert_eq!(ObservedService::listed(built.service, list), built);
        }
    }
}
