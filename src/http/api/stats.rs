//! `GET /v1/stats`.

use ipvs::{Rates, ServerKey, ServiceKey, Totals};
use serde::{Deserialize, Serialize};

/// What the kernel counts, of all services or of those that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The services, in the order of their keys; foreign ones too.
    pub services: Vec<ServiceStats>,
}

/// Of a virtual service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// Its name in the file; null if it is foreign.
    pub name: Option<String>,
    /// Its listen address.
    pub listen: ServiceKey,
    /// Since it was created, or its counters were zeroed.
    pub total: Counters,
    /// A second, over the last few.
    pub rate: Counters,
    /// Its servers.
    pub servers: Vec<ServerStats>,
}

/// Of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStats {
    /// Its name in the file, where it has one.
    pub name: Option<String>,
    /// Its address and port.
    pub address: ServerKey,
    /// Its weight in the kernel.
    pub weight: u32,
    /// Connections that count as active.
    pub active: u32,
    /// The others: closing ones, UDP flows.
    pub inactive: u32,
    /// Persistent clients that are kept with it.
    pub persistent: u32,
    /// Since it was created, or its counters were zeroed.
    pub total: Counters,
    /// A second, over the last few.
    pub rate: Counters,
}

/// Counters, or rates a second.
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
