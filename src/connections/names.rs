//! The names that the service file gives to what the kernel's table shows as addresses.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipvs::{Connection, Family, Fwmark, Protocol, ServerKey, ServiceKey};

use crate::control::snapshot::{ServerState, Snapshot};

/// A service of the file.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: Arc<str>,
    /// Its listen address.
    pub listen: ServiceKey,
    /// Its servers.
    pub servers: Vec<KnownServer>,
}

/// A server of the file.
#[derive(Debug, Clone)]
pub struct KnownServer {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Its address and port.
    pub key: ServerKey,
    /// Its state.
    pub state: ServerState,
    /// The reason for it.
    pub reason: Arc<str>,
    /// Its weight in the file.
    pub declared_weight: u32,
}

/// The names of a running director, or none.
#[derive(Debug, Default)]
pub struct Names {
    /// By listen address, the servers by address; a server of several services has one name in each.
    services: BTreeMap<ServiceKey, Known>,
    /// The names of servers without a service: for entries of firewall-mark services, which show no
    /// mark.
    anywhere: HashMap<SocketAddr, Arc<str>>,
}

impl Names {
    /// The names of these services.
    pub fn new(services: impl Iterator<Item = Known>) -> Self {
        let mut names = Self::default();
        for mut service in services {
            for server in &service.servers {
                if let Some(name) = &server.name {
                    let key = SocketAddr::new(server.key.address, server.key.port);
                    names.anywhere.insert(key, Arc::clone(name));
                }
            }
            service.servers.sort_unstable_by_key(|server| server.key);
            names.services.insert(service.listen, service);
        }
        names
    }

    /// The names in a snapshot; the texts are shared with it.
    #[must_use]
    pub fn of_snapshot(snapshot: &Snapshot) -> Self {
        Self::new(snapshot.services.iter().map(|(listen, status)| {
            Known {
                name: Arc::clone(&status.name),
                listen: *listen,
                servers: status
                    .servers
                    .iter()
                    .map(|server| KnownServer {
                        name: server.name.clone(),
                        key: server.key(),
                        state: server.state,
                        reason: Arc::clone(&server.reason),
                        declared_weight: server.as_declared.weight.get(),
                    })
                    .collect(),
            }
        }))
    }

    /// The listen addresses of the services with this name or listen address.
    pub fn services<'s>(&'s self, word: &'s str) -> impl Iterator<Item = ServiceKey> + 's {
        let key = word.parse::<ServiceKey>().ok();
        let services = self.services.values();
        services
            .filter(move |service| *service.name == *word || Some(service.listen) == key)
            .map(|service| service.listen)
    }

    /// The addresses of the servers with this name.
    pub(super) fn servers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = SocketAddr> + 's {
        let servers = self.services.values().flat_map(|service| &service.servers);
        servers
            .filter(move |server| server.name.as_deref() == Some(name))
            .map(|server| SocketAddr::new(server.key.address, server.key.port))
    }

    /// The name of the service with this listen address.
    #[must_use]
    pub fn services_name(&self, key: &ServiceKey) -> Option<&str> {
        Some(&self.services.get(key)?.name)
    }

    /// A server's name, state, and the reason for it.
    #[must_use]
    pub fn of(
        &self,
        key: &ServiceKey,
        server: ServerKey,
    ) -> Option<(Option<&str>, ServerState, &str)> {
        let server = self.server_of(key, server)?;
        Some((server.name.as_deref(), server.state, &server.reason))
    }

    /// A server's weight in the file.
    pub(super) fn declared_weight(&self, key: &ServiceKey, server: ServerKey) -> Option<u32> {
        Some(self.server_of(key, server)?.declared_weight)
    }

    fn server_of(&self, key: &ServiceKey, server: ServerKey) -> Option<&KnownServer> {
        let servers = &self.services.get(key)?.servers;
        let place = servers.binary_search_by_key(&server, |known| known.key);
        place.ok().map(|place| &servers[place])
    }

    /// The service of a connection, unless it is one of a firewall mark that the entry does not show.
    fn service_of(&self, connection: &Connection) -> Option<&Known> {
        let Some(protocol) = protocol(connection) else {
            let family = Family::of(connection.client.ip());
            let mark = Fwmark::new(mark(connection)?)?;
            return self.services.get(&ServiceKey::fwmark(family, mark));
        };
        let key = |port| ServiceKey::Address {
            protocol,
            address: connection.virtual_service.ip(),
            port,
        };
        let exact = self.services.get(&key(connection.virtual_service.port()));
        // A service of port 0 takes all ports.
        exact.or_else(|| self.services.get(&key(0)))
    }

    /// The name of a connection's service.
    #[must_use]
    pub fn service(&self, connection: &Connection) -> Option<&str> {
        Some(&self.service_of(connection)?.name)
    }

    /// The name of a connection's server.
    #[must_use]
    pub fn server(&self, connection: &Connection) -> Option<&str> {
        let address = connection.server;
        let Some(service) = self.service_of(connection) else {
            return self.anywhere.get(&address).map(|name| &**name);
        };
        let server = ServerKey::new(address.ip(), address.port());
        self.server_of(&service.listen, server)?.name.as_deref()
    }
}

/// The protocol of a connection; `None` for a template of a firewall-mark service.
pub(super) fn protocol(connection: &Connection) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| {
            connection
                .protocol
                .to_string()
                .eq_ignore_ascii_case(protocol.name())
        })
}

/// The mark of a template of a firewall-mark service, which is the first 32 bits of its virtual
/// address (`ip_vs_sched_persist`).
fn mark(connection: &Connection) -> Option<u32> {
    if protocol(connection).is_some() {
        return None;
    }
    Some(match connection.virtual_service.ip() {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            u32::from(first) << 16 | u32::from(second)
        }
    })
}

/// The listen address of a connection's service as the entry has it, in the file's form.
#[must_use]
pub fn listen(connection: &Connection) -> String {
    match (protocol(connection), mark(connection)) {
        (Some(protocol), _) => format!("{protocol}://{}", connection.virtual_service),
        (None, Some(mark)) if connection.client.is_ipv4() => format!("fwmark://{mark}"),
        (None, mark) => format!("fwmark6://{}", mark.unwrap_or_default()),
    }
}
