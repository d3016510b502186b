//! What goes over the wire, in both directions. Times are whole seconds since 1970 unless a name
//! says otherwise; keys of services and servers are strings, `tcp://192.0.2.10:80` and
//! `10.0.0.11:80`.
//!
//! Fields may be added in `/v1`, so readers skip what they do not know; none changes its meaning.

mod event;
mod overlay;
mod request;
mod stats;
mod status;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use event::{Event, Line};
pub use overlay::{OverlaidServer, OverlaidService, Overlay};
pub use request::{HostBody, ReloadBody, ServerBody, WeightBody};
pub use stats::{Counters, ServerStats, ServiceStats, Stats};
pub use status::{Check, Disabled, Head, NotChecked, Server, Service, Services, Setting, Status};

use crate::control::operator::Refusal;
use crate::net::namespace::Id;

/// The header that says which director answers.
pub const VERSION_HEADER: &str = "director-version";

/// The header that says in an answer which network namespace the director works in, and in a
/// request which one is meant: device and inode.
pub const NAMESPACE_HEADER: &str = "director-namespace";

/// A namespace as it stands in that header: `4:4026531840`.
#[must_use]
pub fn in_header((device, inode): Id) -> String {
    format!("{device}:{inode}")
}

/// `GET /v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version of this interface, `v1`.
    pub api: String,
    /// The director's own version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// Device and inode of the network namespace it works in.
    pub namespace: (u64, u64),
    /// Where ledger and journal are.
    pub state_dir: String,
    /// The service file.
    pub file: String,
    /// When it started.
    pub started: Option<u64>,
}

/// Any answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub error: Refusal,
}

/// A time as it is written here.
#[must_use]
pub fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
