//! Why a client lands on a server, from the tables and the connection table.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ipvs::{Connection, ServerEntry, ServerKey, Service, ServiceKey};
use serde_json::{Value, json};

use super::names::Names;
use crate::why::{Answer, Because, Choice, Not, Situation};

/// The most open connections of a client that an answer lists; a proxy has many thousands.
pub const OPEN: usize = 1000;

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// The client.
    pub client: Who,
    /// The address that it connects to, for services of firewall marks under `dh`.
    pub to: Option<SocketAddr>,
    /// Whether a server of weight 0 loses its persistent clients: see [`quiescent`].
    pub quiescent: bool,
}

/// A client: with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Any of its connections.
    Address(IpAddr),
    /// One connection.
    Connection(SocketAddr),
}

impl Who {
    /// The client's address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::Connection(address) => address.ip(),
        }
    }

    /// The port of the connection.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        match self {
            Self::Address(_) => None,
            Self::Connection(address) => Some(address.port()),
        }
    }
}

impl std::str::FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map(Self::Address).ok();
        let connection = || text.parse().map(Self::Connection).ok();
        address.or_else(connection).ok_or_else(|| {
            format!(
                "`{text}` is no client; one is 192.0.2.7, 192.0.2.7:50000 or [2001:db8::7]:50000"
            )
        })
    }
}

/// Whether a server of weight 0 loses its persistent clients, in this network namespace.
///
/// # Errors
/// If the setting cannot be read.
pub fn quiescent() -> io::Result<bool> {
    let path = "/proc/sys/net/ipv4/vs/expire_quiescent_template";
    Ok(std::fs::read_to_string(path)?.trim() != "0")
}

/// The answer for one listen address, and what it was made of.
#[derive(Debug)]
pub struct Explained {
    /// The listen address.
    pub key: ServiceKey,
    /// The client.
    pub client: Who,
    /// The answer.
    pub answer: Answer,
    /// How many open connections the answer does not list.
    pub left_out: u64,
    /// The other servers, and why they do not get the client.
    pub others: Vec<(ServerKey, Not)>,
    /// The scheduler.
    pub scheduler: String,
    /// Servers of `mh` at weight 0 whose last weight is not known, and taken for 1.
    pub assumed: Vec<ServerKey>,
}

/// Explains, for each of these services with its servers in the kernel's order; the connection table
/// is read once.
///
/// # Errors
/// If the connection table cannot be read.
pub fn explain<'t>(
    question: Question,
    services: impl Iterator<Item = (&'t Service, &'t [ServerEntry])>,
    connections: impl Iterator<Item = ipvs::Result<Connection>>,
    names: &Names,
) -> ipvs::Result<Vec<Explained>> {
    let mut pending: Vec<Pending<'t>> = services
        .map(|(service, servers)| Pending::new(question, service, servers, names))
        .collect();
    for connection in connections {
        let connection = connection?;
        for one in &mut pending {
            one.add(&connection);
        }
    }
    let answered = pending.iter().map(Pending::answer);
    Ok(answered.collect())
}

/// A service whose entries are being collected.
struct Pending<'t> {
    question: Question,
    service: &'t Service,
    servers: &'t [ServerEntry],
    last_weights: Vec<u32>,
    assumed: Vec<ServerKey>,
    entries: Vec<Connection>,
    left_out: u64,
}

impl<'t> Pending<'t> {
    fn new(
        question: Question,
        service: &'t Service,
        servers: &'t [ServerEntry],
        names: &Names,
    ) -> Self {
        let mut assumed = Vec::new();
        // The last weight of each server that was not 0: under `mh` a server keeps its places by it
        // (`__ip_vs_update_dest`). The kernel does not show it; the service file has it.
        let last = |entry: &ServerEntry| {
            let server = entry.server.key;
            let weight = match entry.server.weight.get() {
                0 => names.declared_weight(&service.key, server),
                weight => Some(weight),
            };
            weight.unwrap_or_else(|| {
                if service.scheduler == "mh" {
                    assumed.push(server);
                }
                1
            })
        };
        let last_weights = servers.iter().map(last).collect();
        Self {
            question,
            service,
            servers,
            last_weights,
            assumed,
            entries: Vec::new(),
            left_out: 0,
        }
    }

    fn situation(&self) -> Situation<'_> {
        let destination = match self.service.key {
            ServiceKey::Address { address, port, .. } => Some(SocketAddr::new(address, port)),
            ServiceKey::Fwmark { .. } => self.question.to,
        };
        Situation {
            service: self.service,
            servers: self.servers,
            last_weights: &self.last_weights,
            client: self.question.client.ip(),
            port: self.question.client.port(),
            entries: &self.entries,
            destination,
            quiescent: self.question.quiescent,
        }
    }

    /// Keeps the entry if it matters: the template, the connection itself, and some others.
    fn add(&mut self, connection: &Connection) {
        let situation = self.situation();
        if !situation.concerns(connection) {
            return;
        }
        let port = connection.client.port();
        let decides = port == 0 || Some(port) == situation.port;
        if decides || self.entries.len() < OPEN {
            self.entries.push(connection.clone());
        } else {
            self.left_out += 1;
        }
    }

    fn answer(&self) -> Explained {
        let situation = self.situation();
        let answer = situation.answer();
        let chosen = answer.because.server();
        let others = self.servers.iter();
        let others = others
            .filter(|server| Some(server.server.key) != chosen)
            .map(|server| (server.server.key, situation.why_not(server)))
            .collect();
        Explained {
            key: self.service.key,
            client: self.question.client,
            answer,
            left_out: self.left_out,
            others,
            scheduler: self.service.scheduler.to_string(),
            assumed: self.assumed.clone(),
        }
    }
}

impl Explained {
    /// The answer as an object.
    #[must_use]
    pub fn object(&self, names: &Names) -> Value {
        let of = |server: ServerKey| {
            let found = names.of(&self.key, server);
            json!({
                "server": server,
                "name": found.and_then(|(name, ..)| name),
                "state": found.map(|(_, state, _)| state),
                "reason": found.map(|(_, _, reason)| reason),
            })
        };
        let among = match &self.answer.because {
            Because::Scheduler(Choice::Open { among, .. }) => Some(among.clone()),
            _ => None,
        };
        let others = self.others.iter().map(|(server, not)| {
            let mut object = of(*server);
            object["not"] = not.to_string().into();
            object
        });
        let entries = self.answer.entries.iter().map(|(client, server, state)| {
            json!({ "client": client.to_string(), "server": server, "state": state })
        });
        json!({
            "listen": self.key,
            "service": names.services_name(&self.key),
            "client": self.client.ip(),
            "client_port": self.client.port(),
            "scheduler": self.scheduler,
            "chosen": self.answer.because.server().map(of),
            "because": self.answer.because.kind(),
            "text": self.answer.because.to_string(),
            "among": among,
            "open": entries.collect::<Vec<_>>(),
            "open_left_out": self.left_out,
            "others": others.collect::<Vec<_>>(),
            "weight_assumed": self.assumed,
        })
    }
}
