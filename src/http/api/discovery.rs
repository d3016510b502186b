//! Pools that find their servers: in `GET /v1/status`.

use serde::{Deserialize, Serialize};

/// A pool that finds its servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredPool {
    /// The name in the file.
    pub pool: String,
    /// The kind of source: the `type` in the file.
    pub source: String,
    /// The number of servers in force.
    pub servers: usize,
    /// Those of them that the source does not list: they leave as the limits allow.
    pub absent: usize,
    /// When the source last answered with a list that counts; null: not since this start.
    pub answered: Option<u64>,
    /// Why the last answer does not count, so that the last list stays; otherwise null.
    pub refused: Option<String>,
}
