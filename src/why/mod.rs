//! Why a client lands on a server: the kernel's decision, computed from what the kernel shows.
//!
//! ```text
//!   1. an entry of the connection table ──► that server
//!   2. a persistence template           ──► its server, if that still takes clients
//!   3. the scheduler                    ──► choose.rs
//! ```
//!
//! A function of values: the tables, the connection table and the settings are handed in.

mod choose;
mod text;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipvs::{Connection, Netmask, ServerEntry, ServerKey, Service, ServiceFlags, ServiceKey};

pub use choose::Choice;

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The service as the kernel has it.
    pub service: &'a Service,
    /// Its servers in the kernel's order.
    pub servers: &'a [ServerEntry],
    /// The last weight of each of them that was not 0.
    pub last_weights: &'a [u32],
    /// The client's address, and its port if known.
    pub client: IpAddr,
    /// The client's port.
    pub port: Option<u16>,
    /// Entries of the connection table; those of other clients do not matter.
    pub entries: &'a [Connection],
    /// The virtual address and port that the client connects to; for a service of an address, its
    /// own unless its port is 0.
    pub destination: Option<SocketAddr>,
    /// Whether a server of weight 0 loses its persistent clients (`expire_quiescent_template`).
    pub quiescent: bool,
}

/// Where the client goes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The reason, which has the server.
    pub because: Because,
    /// The client's entries in the connection table for this service.
    pub entries: Vec<(SocketAddr, ServerKey, String)>,
}

/// The reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// The connection exists.
    Connection {
        /// Its server.
        server: ServerKey,
        /// The kernel's word for its state.
        state: String,
        /// The time until the entry expires without a packet.
        expires: Duration,
    },
    /// A persistence template of the client, or of its network.
    Template {
        /// Its server.
        server: ServerKey,
        /// The client's address under the mask.
        client: IpAddr,
        /// The time until it expires; it lasts as long as a connection of the client.
        expires: Duration,
    },
    /// The scheduler decides.
    Scheduler(Choice),
}

impl Because {
    /// The kind of reason, in a word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Connection { .. } => "connection",
            Self::Template { .. } => "template",
            Self::Scheduler(Choice::Hashed {
                instead_of: None, ..
            }) => "hash",
            Self::Scheduler(Choice::Hashed { .. }) => "fallback",
            Self::Scheduler(Choice::Refused { .. }) => "refused",
            Self::Scheduler(Choice::NeedsPort) => "needs-port",
            Self::Scheduler(Choice::Best { .. }) => "best",
            Self::Scheduler(Choice::Open { .. }) => "open",
            Self::Scheduler(Choice::NoServer) => "no-server",
        }
    }

    /// The server, if there is one and it is known.
    #[must_use]
    pub const fn server(&self) -> Option<ServerKey> {
        match self {
            Self::Connection { server, .. } | Self::Template { server, .. } => Some(*server),
            Self::Scheduler(choice) => choice.server(),
        }
    }
}

/// Why a server does not get the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Not {
    /// Its weight is 0.
    Weight,
    /// It has as many connections as its upper threshold allows.
    Full {
        /// The connections.
        connections: u64,
        /// The threshold.
        upper: u32,
    },
    /// It could, and the decision is for another one.
    Other,
}

impl Situation<'_> {
    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let of_client = |entry: &&Connection| {
            entry.client.ip() == self.client && entry.client.port() != 0 && self.is_of(entry)
        };
        let own: Vec<&Connection> = self.entries.iter().filter(of_client).collect();
        let entries = own
            .iter()
            .map(|entry| (entry.client, key(entry.server), entry.state.to_string()))
            .collect();
        let port = self.port;
        let exact = own.iter().find(|entry| Some(entry.client.port()) == port);
        let because = match (exact, self.template()) {
            (Some(entry), _) => Because::Connection {
                server: key(entry.server),
                state: entry.state.to_string(),
                expires: entry.expires,
            },
            (None, Some(template)) => Because::Template {
                server: key(template.server),
                client: template.client.ip(),
                expires: template.expires,
            },
            (None, None) => Because::Scheduler(choose::choose(self)),
        };
        Answer { because, entries }
    }

    /// Whether an entry of the connection table matters for the answer: a connection of the client
    /// to this service, or the template that it would follow.
    #[must_use]
    pub fn concerns(&self, entry: &Connection) -> bool {
        let client = entry.client.ip();
        if entry.client.port() == 0 {
            client == masked(self.client, self.service.netmask) && self.is_template(entry)
        } else {
            client == self.client && self.is_of(entry)
        }
    }

    /// Why a server does not get the client.
    #[must_use]
    pub fn why_not(&self, server: &ServerEntry) -> Not {
        if server.server.weight.get() == 0 {
            return Not::Weight;
        }
        match overload(server) {
            Some((connections, upper)) => Not::Full { connections, upper },
            None => Not::Other,
        }
    }

    /// Whether an entry is one of this service. The connection table does not show marks: entries
    /// of a firewall-mark service are found by its servers.
    fn is_of(&self, entry: &Connection) -> bool {
        match self.service.key {
            ServiceKey::Address {
                protocol,
                address,
                port,
            } => {
                let found = entry.virtual_service;
                let name = entry.protocol.to_string();
                name.eq_ignore_ascii_case(protocol.name())
                    && found.ip() == address
                    && (port == 0 || found.port() == port)
            }
            ServiceKey::Fwmark { .. } => {
                let server = key(entry.server);
                let mut servers = self.servers.iter();
                servers.any(|known| known.server.key.address == server.address)
            }
        }
    }

    /// The client's persistence template, if it still counts (`ip_vs_check_template`).
    fn template(&self) -> Option<&Connection> {
        if !self.service.flags.contains(ServiceFlags::PERSISTENT) {
            return None;
        }
        let masked = masked(self.client, self.service.netmask);
        let template = self.entries.iter().find(|entry| {
            entry.client.port() == 0 && entry.client.ip() == masked && self.is_template(entry)
        })?;
        let server = key(template.server);
        let there = self.servers.iter().find(|known| known.server.key == server);
        // A template of a server that is gone is void; so is one of weight 0, if so set.
        let there = there?;
        (there.server.weight.get() > 0 || !self.quiescent).then_some(template)
    }

    fn is_template(&self, entry: &Connection) -> bool {
        match self.service.key {
            ServiceKey::Address {
                protocol,
                address,
                port,
            } => {
                let found = entry.virtual_service;
                // Templates of FTP and of services of port 0 have port 0.
                entry
                    .protocol
                    .to_string()
                    .eq_ignore_ascii_case(protocol.name())
                    && found.ip() == address
                    && (found.port() == port || found.port() == 0)
            }
            ServiceKey::Fwmark { mark, .. } => {
                let first = match entry.virtual_service.ip() {
                    IpAddr::V4(address) => address.to_bits(),
                    IpAddr::V6(address) => {
                        let [first, second, ..] = address.segments();
                        u32::from(first) << 16 | u32::from(second)
                    }
                };
                entry.protocol == "IP" && first == mark.get()
            }
        }
    }
}

/// A server's connections and its upper threshold, if it is full. In between the thresholds the
/// kernel remembers whether it was, and does not show that (`ip_vs_unbind_dest`).
fn overload(server: &ServerEntry) -> Option<(u64, u32)> {
    let upper = server.server.upper_threshold;
    let connections = u64::from(server.active) + u64::from(server.inactive);
    (upper > 0 && connections >= u64::from(upper)).then_some((connections, upper))
}

/// An address under a persistence mask.
fn masked(address: IpAddr, mask: Netmask) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(address), Netmask::V4(mask)) => (address & mask).into(),
        (IpAddr::V6(address), Netmask::V6(prefix)) => {
            let host = 128_u32.saturating_sub(prefix);
            let kept = u128::MAX.checked_shl(host).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(address.to_bits() & kept).into()
        }
        _ => address,
    }
}

fn key(address: SocketAddr) -> ServerKey {
    ServerKey::new(address.ip(), address.port())
}
