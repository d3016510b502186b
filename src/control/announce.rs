//! The state of announce sections, for status and the API.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::operator::Setting;
use crate::state::BootTime;

/// The state of an announce section on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnnounceState {
    /// It waits for the first verdicts of the checks. What an earlier process announced stays
    /// announced.
    Waiting,
    /// Its addresses are announced.
    Announced,
    /// Too little is healthy: its routes have the fallback metric.
    Fallback,
    /// Too little is healthy: its addresses are withdrawn.
    Withdrawn,
    /// Enough is healthy, but its health changed too often: withdrawn for a while.
    Damped,
    /// Withdrawn by an operator.
    TakenOut,
}

impl AnnounceState {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Announced => "announced",
            Self::Fallback => "fallback",
            Self::Withdrawn => "withdrawn",
            Self::Damped => "damped",
            Self::TakenOut => "taken-out",
        }
    }
}

/// The status of an announce section.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnounceStatus {
    /// The name in the file.
    pub name: Arc<str>,
    /// The state that director decided on.
    pub state: AnnounceState,
    /// Whether the kernel has it so.
    pub in_place: bool,
    /// Since when it is in this state.
    pub since: BootTime,
    /// The reason for the state, for people.
    pub why: Arc<str>,
    /// When a damped section is announced again, if it stays healthy.
    pub until: Option<BootTime>,
    /// Who withdrew it, why, and until when.
    pub set: Option<Setting<()>>,
    /// The interface of the addresses.
    pub interface: Arc<str>,
    /// The addresses.
    pub addresses: Arc<[IpAddr]>,
    /// How many services or servers are healthy, of how many, and how many are needed.
    pub healthy: AnnounceHealth,
    /// What the kernel refuses, and what to do.
    pub trouble: Option<Arc<str>>,
}

/// What an announce section follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnnounceHealth {
    /// How many are healthy.
    pub healthy: usize,
    /// Of how many.
    pub of: usize,
    /// How many are needed.
    pub needed: usize,
    /// Whether servers are counted, and not services.
    pub servers: bool,
}

impl AnnounceHealth {
    /// Whether enough are healthy.
    #[must_use]
    pub const fn is_enough(&self) -> bool {
        self.healthy >= self.needed && self.of > 0
    }
}
