//! `GET /v1/stats`.

use ipvs::{Rates, ServerKey, ServiceKey, Totals};
use serde::{Deserialize, Serialize};

/// The kernel's counters for all services or those requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The services, ordered by key, including foreign ones.
    pub services: Vec<ServiceStats>,
}

/// The counters of a virtual service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// The name in the file; null for a foreign service.
    pub name: Option<String>,
    /// The listen address.
    pub listen: ServiceKey,
    /// Totals since the service was created or its counters were zeroed.
    pub total: Counters,
    /// Rates per second, over the last few seconds.
    pub rate: Counters,
    /// Connections of its servers that count as active.
    #[serde(default)]
    pub active: u64,
    /// Their other connections.
    #[serde(default)]
    pub inactive: u64,
    /// The servers of the service; none with `brief`.
    pub servers: Vec<ServerStats>,
}

/// The counters of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStats {
    /// The name in the file, if any.
    pub name: Option<String>,
    /// The address and port.
    pub address: ServerKey,
    /// The weight in the kernel.
    pub weight: u32,
    /// Connections that count as active.
    pub active: u32,
    /// Other connections: closing ones, UDP flows.
    pub inactive: u32,
    /// Persistent clients of this server.
    pub persistent: u32,
    /// Totals since the server was created or its counters were zeroed.
    pub total: Counters,
    /// Rates per second, over the last few seconds.
    pub rate: Counters,
}

/// Counters, or rates per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; 0 under direct routing and tunnelling.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}

impl From<Totals> for Counters {
    fn from(totals: Totals) -> Self {
        Self {
            connections: totals.connections,
            packets_in: totals.packets_in,
            packets_out: totals.packets_out,
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
        }
    }
}

impl From<Rates> for Counters {
    fn from(rates: Rates) -> Self {
        Self {
            connections: rates.connections,
            packets_in: rates.packets_in,
            packets_out: rates.packets_out,
            bytes_in: rates.bytes_in,
            bytes_out: rates.bytes_out,
        }
    }
}
