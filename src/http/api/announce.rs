//! Announce sections: in `GET /v1/status`, and `POST /v1/announce`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Setting;
use crate::control::announce::{AnnounceHealth, AnnounceState};
use crate::control::operator::AnnounceDo;

/// The state of an announce section on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// The name in the file.
    pub name: String,
    /// The state that director decided on.
    pub state: AnnounceState,
    /// Whether the kernel has it so.
    pub in_place: bool,
    /// Since when it is in this state.
    pub since: u64,
    /// The reason for the state, for people.
    pub reason: String,
    /// When a damped section is announced again, if it stays healthy; otherwise null.
    pub until: Option<u64>,
    /// Who withdrew it, why, and until when; null without that.
    pub withdrawn: Option<Setting>,
    /// The interface of the addresses.
    pub interface: String,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
    /// How many services or servers are healthy, of how many, and how many are needed.
    pub healthy: AnnounceHealth,
    /// What the kernel refuses, and what to do; otherwise null.
    pub trouble: Option<String>,
}

/// `POST /v1/announce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnounceBody {
    /// The section's name in the file; all sections without it.
    #[serde(default)]
    pub section: Option<String>,
    /// What to do: `withdraw` or `resume`.
    pub action: AnnounceDo,
    /// The reason, for people.
    #[serde(default)]
    pub reason: Option<String>,
    /// The number of seconds after which a withdrawal ends, at least 1, at most ten years.
    #[serde(default)]
    pub for_seconds: Option<u64>,
    /// The person for whom the caller asks; recorded next to the user that the kernel reports.
    #[serde(default)]
    pub on_behalf_of: Option<String>,
}
