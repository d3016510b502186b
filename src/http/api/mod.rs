//! The JSON of requests and answers. Times are whole seconds since 1970 unless the name says
//! otherwise; keys of services and servers are strings, `tcp://192.0.2.10:80` and `10.0.0.11:80`.
//!
//! `/v1` may gain fields, so readers must skip unknown ones; a field never changes its meaning.

mod announce;
mod discovery;
mod event;
mod failover;
mod files;
mod history;
mod overlay;
mod peer;
mod request;
mod stats;
mod status;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use announce::{Announce, AnnounceBody};
pub use discovery::DiscoveredPool;
pub use event::{Event, Line};
pub use failover::{Failover, FailoverBody};
pub use files::{File, Files};
pub use history::{HistoryLine, HistorySpan};
pub use overlay::{OverlaidServer, OverlaidService, Overlay};
pub use peer::{Peer, Relay, Resync};
pub use request::{HostBody, ReloadBody, ServerBody, WeightBody};
pub use stats::{Counters, ServerStats, ServiceStats, Stats};
pub use status::{
    Check, Disabled, Drift, Head, NotChecked, Quorum, Server, Service, Services, Setting, Status,
    Summary,
};

use crate::control::operator::Refusal;
use crate::net::namespace::Id;

/// The header with the director's version.
pub const VERSION_HEADER: &str = "director-version";

/// The header with a network namespace, as device and inode: in an answer the director's own, in a
/// request the intended one.
pub const NAMESPACE_HEADER: &str = "director-namespace";

/// A namespace in the form of that header: `4:4026531840`.
#[must_use]
pub fn in_header((device, inode): Id) -> String {
    format!("{device}:{inode}")
}

/// `GET /v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version of the API, `v1`.
    pub api: String,
    /// The director's own version.
    pub version: String,
    /// The director's process ID.
    pub pid: u32,
    /// The contents of `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Device and inode of the director's network namespace.
    pub namespace: (u64, u64),
    /// The directory of ledger and journal.
    pub state_dir: String,
    /// The path of the service file.
    pub file: String,
    /// The start time of the director.
    pub started: Option<u64>,
}

/// Any error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The error.
    pub error: Refusal,
}

/// The time in this module's format.
#[must_use]
pub fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
