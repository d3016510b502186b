//! The connection table into entries that a peer's kernel understands.
//!
//! `/proc/net/ip_vs_conn` shows less than the kernel's own messages carry: no flags, no full timeout,
//! no firewall mark of a connection. All that follows from the services and their servers, which the
//! kernel is asked for. What does not follow: corrections of sequence numbers, so FTP over NAT
//! does not survive; and states of SCTP.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipvs::{Connection, Family, ForwardMethod, Fwmark, Protocol, ServerKey, ServiceKey, Table};
use ipvs_sync::{Engine, Entry, Flags, tcp};

/// FTP's control port. Templates of a persistent FTP service are for all ports.
const FTP: u16 = 21;

/// The services of a director, arranged for looking connections up.
#[derive(Debug, Default)]
pub struct Known {
    services: HashMap<ServiceKey, Service>,
    marks: Vec<ServiceKey>,
}

/// A service.
#[derive(Debug)]
struct Service {
    persistence: u32,
    servers: HashMap<IpAddr, Vec<(u16, ForwardMethod)>>,
}

/// Why an entry is not sent or not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LeftOut {
    /// Its service is not there.
    Service,
    /// Its service does not have its server.
    Server,
    /// A protocol whose states the table does not show well enough: SCTP.
    Protocol,
    /// Client and server are of different families, which no message carries.
    Family,
    /// A state that is not known.
    State,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "of no service",
            Self::Server => "of servers that their service does not have",
            Self::Protocol => "of a protocol that is not synchronised",
            Self::Family => "of mixed address families",
            Self::State => "in an unknown state",
        })
    }
}

impl Known {
    /// The services of a kernel, without those with these marks: private ones of checks.
    #[must_use]
    pub fn new(table: &Table, is_private: impl Fn(u32) -> bool) -> Self {
        let mut known = Self::default();
        for service in &table.services {
            let key = service.entry.service.key;
            if let ServiceKey::Fwmark { mark, .. } = key {
                if is_private(mark.get()) {
                    continue;
                }
                known.marks.push(key);
            }
            let mut servers: HashMap<IpAddr, Vec<_>> = HashMap::new();
            for server in &service.servers {
                let ServerKey { address, port } = server.server.key;
                let at = servers.entry(address).or_default();
                at.push((port, server.server.forward));
            }
            let persistence = service.entry.service.timeout;
            known.services.insert(
                key,
                Service {
                    persistence,
                    servers,
                },
            );
        }
        known
    }

    /// The entry for a connection or a template.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn entry(&self, connection: &Connection) -> Result<Entry, LeftOut> {
        let Kind {
            protocol,
            is_template,
        } = Kind::of(connection)?;
        let (client, server) = (connection.client, connection.server);
        if client.is_ipv6() != server.is_ipv6() {
            return Err(LeftOut::Family);
        }
        let virtual_service = connection.virtual_service;
        let (key, mark) = self.service(protocol, virtual_service, server, is_template)?;
        let service = &self.services[&key];
        let (port, forward) = service.server(server, is_template).ok_or(LeftOut::Server)?;
        let mut flags = forwarding(forward);
        let mut state = 0;
        if is_template {
            flags |= Flags::TEMPLATE;
        } else if protocol == 6 {
            let name = connection.state.as_str().unwrap_or_default();
            state = tcp::state(name).ok_or(LeftOut::State)?;
            if client.port() == 0 {
                flags |= Flags::NO_CLIENT_PORT;
            }
        }
        // Every UDP flow counts as inactive; without the flag it would count as active for good.
        if !is_template && (protocol != 6 || !tcp::is_active(state)) {
            flags |= Flags::INACTIVE;
        }
        let left = u32::try_from(connection.expires.as_secs()).unwrap_or(u32::MAX);
        let engine = connection.engine.as_ref().map(|engine| Engine {
            name: engine.name.as_bytes().to_vec(),
            data: engine.data.clone(),
        });
        Ok(Entry {
            flags,
            state,
            mark,
            // A template keeps what it is sent with; 0 would be the receiver's own.
            timeout: if is_template {
                service.persistence
            } else {
                left
            }
            .max(1),
            engine: engine
                .filter(|engine| !engine.data.is_empty())
                .map(Box::new),
            ..Entry::new(
                protocol,
                client,
                virtual_service,
                SocketAddr::new(server.ip(), port),
            )
        })
    }

    /// Whether a peer's entry belongs to a service and a server that are here.
    ///
    /// # Errors
    /// What is not here.
    pub fn admits(&self, entry: &Entry) -> Result<ServiceKey, LeftOut> {
        let is_template = entry.is_template();
        if entry.mark != 0 {
            let family = Family::of(entry.client.ip());
            let mark = Fwmark::new(entry.mark).ok_or(LeftOut::Service)?;
            let key = ServiceKey::fwmark(family, mark);
            let service = self.services.get(&key).ok_or(LeftOut::Service)?;
            service
                .server(entry.server, is_template)
                .ok_or(LeftOut::Server)?;
            return Ok(key);
        }
        let found = self.addressed(entry.protocol, entry.virtual_service);
        let key = found.ok_or(LeftOut::Service)?;
        self.services[&key]
            .server(entry.server, is_template)
            .ok_or(LeftOut::Server)?;
        Ok(key)
    }

    /// Whether the kernel counts an entry that is admitted: it looks for a server with the entry's
    /// port, or with port 0.
    #[must_use]
    pub fn counts(&self, entry: &Entry) -> bool {
        let Ok(key) = self.admits(entry) else {
            return false;
        };
        // FTP's service is found by these ports alone (`ip_vs_service_find`), not by its templates'.
        let at = entry.virtual_service.port();
        let is_ftp = matches!(key, ServiceKey::Address { port: FTP, .. });
        if is_ftp && at != FTP && at < 1024 {
            return false;
        }
        let ports = self.services[&key].servers.get(&entry.server.ip());
        let mut ports = ports.into_iter().flatten();
        ports.any(|(port, _)| *port == entry.server.port() || *port == 0)
    }

    /// The service of a connection, and its mark.
    fn service(
        &self,
        protocol: u8,
        at: SocketAddr,
        server: SocketAddr,
        is_template: bool,
    ) -> Result<(ServiceKey, u32), LeftOut> {
        let family = Family::of(at.ip());
        if protocol == 0 {
            let mark = Fwmark::new(first_word(at.ip())).ok_or(LeftOut::Service)?;
            let key = ServiceKey::fwmark(family, mark);
            let is_there = self.services.contains_key(&key);
            return is_there
                .then_some((key, mark.get()))
                .ok_or(LeftOut::Service);
        }
        if let Some(key) = self.addressed(protocol, at) {
            return Ok((key, 0));
        }
        // The table does not show the mark. If several services have the server, any of them
        // forwards alike; only the counters differ.
        let mut marked = self.marks.iter().filter(|key| key.family() == family);
        let found = marked.find(|key| self.services[*key].server(server, is_template).is_some());
        match found {
            Some(key @ ServiceKey::Fwmark { mark, .. }) => Ok((*key, mark.get())),
            _ => Err(LeftOut::Service),
        }
    }

    /// The service with this address: of this port, of all ports, or FTP's.
    fn addressed(&self, protocol: u8, at: SocketAddr) -> Option<ServiceKey> {
        let protocol = Protocol::from_number(protocol.into())?;
        let key = |port| ServiceKey::Address {
            protocol,
            address: at.ip(),
            port,
        };
        let is_there = |key: &ServiceKey| self.services.contains_key(key);
        let ftp = (protocol == Protocol::Tcp).then(|| key(FTP));
        let keys = [Some(key(at.port())), Some(key(0)), ftp];
        keys.into_iter().flatten().find(is_there)
    }
}

impl Service {
    /// The port of this server in the entries that a kernel can bind, and its forwarding method.
    fn server(&self, at: SocketAddr, is_template: bool) -> Option<(u16, ForwardMethod)> {
        let ports = self.servers.get(&at.ip())?;
        let of = |port: u16| ports.iter().find(|(other, _)| *other == port);
        if let Some((port, forward)) = of(at.port()) {
            return Some((*port, *forward));
        }
        if let Some((_, forward)) = of(0) {
            return Some((at.port(), *forward));
        }
        // A template for all ports of a mark has port 0. With it, the receiver would not find a
        // server behind NAT that has a port.
        let (port, forward) = ports.first()?;
        if is_template && at.port() == 0 {
            return Some((*port, *forward));
        }
        // Without NAT a packet keeps its port, whatever the server's entry says.
        (*forward != ForwardMethod::Masquerade).then_some((at.port(), *forward))
    }
}

/// What a line of the table is.
struct Kind {
    protocol: u8,
    is_template: bool,
}

impl Kind {
    fn of(connection: &Connection) -> Result<Self, LeftOut> {
        let protocol = match connection.protocol.as_str() {
            Some("TCP") => 6,
            Some("UDP") => 17,
            Some("IP") => 0,
            _ => return Err(LeftOut::Protocol),
        };
        Ok(Self {
            protocol,
            is_template: is_template(connection),
        })
    }
}

/// Whether a line of the table is a persistence template, of an address or of a firewall mark.
pub(crate) fn is_template(connection: &Connection) -> bool {
    let state = connection.state.as_str();
    connection.protocol == "IP"
        || connection.client.port() == 0 && matches!(state, Some("NONE" | "ASSURED"))
}

/// The first 32 bits of an address, where a template has its mark.
fn first_word(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => u32::try_from(v6.to_bits() >> 96).unwrap_or(0),
    }
}

fn forwarding(method: ForwardMethod) -> Flags {
    match method {
        ForwardMethod::Masquerade => Flags::MASQUERADE,
        ForwardMethod::Tunnel => Flags::TUNNEL | Flags::NO_OUTPUT,
        ForwardMethod::DirectRoute => Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
        other => Flags(other.number()) | Flags::NO_OUTPUT,
    }
}
