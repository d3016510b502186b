//! The names that the service file gives to what the kernel's table shows as addresses.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ipvs::{Connection, Protocol, ServerKey, ServiceKey};

use super::super::args::Args;
use crate::control::snapshot::ServerState;
use crate::http::api;
use crate::words::chain;

/// A virtual address as the connection table has it.
type Virtual = (Protocol, SocketAddr);

/// The names of a running director, or none.
#[derive(Debug, Default)]
pub(crate) struct Names {
    services: Vec<api::Service>,
    by_address: HashMap<Virtual, usize>,
    /// Servers with a name, by service and address; a server of several services has one name in
    /// each.
    servers: HashMap<(usize, SocketAddr), String>,
    /// The same without a service: for entries of firewall-mark services, which show no mark.
    anywhere: HashMap<SocketAddr, String>,
}

impl Names {
    /// The names of the running director; if none can be asked, none, and why.
    pub(crate) fn ask(args: &Args) -> (Self, Option<String>) {
        let asked = args
            .viewer()
            .and_then(|client| Ok(client.get("/v1/status")?));
        match asked {
            Ok(status) => (Self::from_status(status), None),
            Err(error) => (Self::default(), Some(chain(error.as_ref()))),
        }
    }

    pub(super) fn from_status(status: api::Status) -> Self {
        let mut names = Self::default();
        for (number, service) in status.services.iter().enumerate() {
            if let ServiceKey::Address {
                protocol,
                address,
                port,
            } = service.listen
            {
                let address = SocketAddr::new(address, port);
                names.by_address.insert((protocol, address), number);
            }
            for server in &service.servers {
                if let Some(name) = &server.name {
                    let key = SocketAddr::new(server.address.address, server.address.port);
                    names.servers.insert((number, key), name.clone());
                    names.anywhere.insert(key, name.clone());
                }
            }
        }
        names.services = status.services;
        names
    }

    /// The services with this name or listen address.
    pub(crate) fn services<'s>(&'s self, word: &'s str) -> impl Iterator<Item = &'s api::Service> {
        let key = word.parse::<ServiceKey>().ok();
        self.services
            .iter()
            .filter(move |service| service.name == word || Some(service.listen) == key)
    }

    /// The addresses of the servers with this name.
    pub(super) fn servers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = SocketAddr> + 's {
        let servers = self.services.iter().flat_map(|service| &service.servers);
        servers
            .filter(move |server| server.name.as_deref() == Some(name))
            .map(|server| SocketAddr::new(server.address.address, server.address.port))
    }

    /// The name of the service with this listen address.
    pub(crate) fn services_name(&self, key: &ServiceKey) -> Option<&str> {
        Some(self.declared(key)?.name.as_str())
    }

    /// A server's name, state, and the reason for it.
    pub(crate) fn of(
        &self,
        key: &ServiceKey,
        server: ServerKey,
    ) -> Option<(Option<&str>, ServerState, &str)> {
        let server = self.server_of(key, server)?;
        Some((server.name.as_deref(), server.state, &server.reason))
    }

    /// A server's weight in the file.
    pub(crate) fn declared_weight(&self, key: &ServiceKey, server: ServerKey) -> Option<u32> {
        Some(self.server_of(key, server)?.declared_weight)
    }

    fn declared(&self, key: &ServiceKey) -> Option<&api::Service> {
        let mut services = self.services.iter();
        services.find(|service| service.listen == *key)
    }

    fn server_of(&self, key: &ServiceKey, server: ServerKey) -> Option<&api::Server> {
        let mut servers = self.declared(key)?.servers.iter();
        servers.find(|known| known.address == server)
    }

    fn number(&self, connection: &Connection) -> Option<usize> {
        let protocol = protocol(connection)?;
        let address = connection.virtual_service;
        let exact = self.by_address.get(&(protocol, address));
        // A service of port 0 takes all ports.
        let any = || {
            let any = SocketAddr::new(address.ip(), 0);
            self.by_address.get(&(protocol, any))
        };
        exact.or_else(any).copied()
    }

    /// The name of a connection's service.
    pub(super) fn service(&self, connection: &Connection) -> Option<&str> {
        let mark = mark(connection);
        let marked = || {
            let services = self.services.iter();
            let mut marked = services.filter(|service| match service.listen {
                ServiceKey::Fwmark { mark: known, .. } => Some(known.get()) == mark,
                ServiceKey::Address { .. } => false,
            });
            marked.next()
        };
        let found = match mark {
            Some(_) => marked(),
            None => self.number(connection).map(|number| &self.services[number]),
        };
        found.map(|service| service.name.as_str())
    }

    /// The name of a connection's server.
    pub(super) fn server(&self, connection: &Connection) -> Option<&str> {
        let address = connection.server;
        let name = match self.number(connection) {
            Some(number) => self.servers.get(&(number, address)),
            None => self.anywhere.get(&address),
        };
        name.map(String::as_str)
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
pub(super) fn listen(connection: &Connection) -> String {
    match (protocol(connection), mark(connection)) {
        (Some(protocol), _) => format!("{protocol}://{}", connection.virtual_service),
        (None, Some(mark)) if connection.client.is_ipv4() => format!("fwmark://{mark}"),
        (None, mark) => format!("fwmark6://{}", mark.unwrap_or_default()),
    }
}
