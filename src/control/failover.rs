//! The state of failover sections, for status and the API.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::operator::Setting;
use crate::state::BootTime;

/// The role of a failover section on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverRole {
    /// It holds the addresses.
    Active,
    /// It holds them, and waits for a peer to take over.
    HandingOver,
    /// Another router holds them, or it waits for one to speak.
    Backup,
    /// It has started, and waits for the first verdicts of the checks.
    Starting,
    /// It cannot send or receive adverts.
    Fault,
    /// It has stopped.
    Stopped,
}

impl FailoverRole {
    /// The word for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::HandingOver => "handing-over",
            Self::Backup => "backup",
            Self::Starting => "starting",
            Self::Fault => "fault",
            Self::Stopped => "stopped",
        }
    }

    /// Whether this machine holds the addresses.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Active | Self::HandingOver)
    }
}

/// What overrides the priorities: an operator's wish, or a contest about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverHold {
    /// It claims only if no other router does.
    Yielded,
    /// It keeps the addresses, above its priority.
    Claimed,
}

/// The status of a failover section.
#[derive(Debug, Clone)]
pub struct FailoverStatus {
    /// The name in the file.
    pub name: Arc<str>,
    /// The role.
    pub role: FailoverRole,
    /// Since when.
    pub since: BootTime,
    /// The reason for the role, for people.
    pub why: Arc<str>,
    /// The priority in the file.
    pub declared_priority: u8,
    /// The priority with which it claims now.
    pub priority: u8,
    /// What overrides the priorities.
    pub hold: Option<FailoverHold>,
    /// Who set that, why, and until when; `None` if director did so itself.
    pub set: Option<Setting<FailoverHold>>,
    /// Other routers, as last heard.
    pub peer: Option<FailoverPeer>,
    /// The virtual routers.
    pub routers: Arc<[VirtualRouterStatus]>,
    /// What was sent and received.
    pub counters: Arc<FailoverCounters>,
}

impl FailoverStatus {
    /// The virtual addresses of all its routers.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let routers = self.routers.iter();
        routers.flat_map(|router| router.addresses.iter().copied())
    }
}

/// The router last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverPeer {
    /// Its address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// The number of addresses that it advertises.
    pub addresses: usize,
}

/// A virtual router of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualRouterStatus {
    /// The id.
    pub id: u8,
    /// The protocol's version.
    pub version: u8,
    /// The interface.
    pub interface: String,
    /// The source address of adverts; null while the interface has none.
    pub source: Option<IpAddr>,
    /// The time between adverts, in milliseconds.
    pub interval_ms: u64,
    /// The virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// The virtual MAC address, and the interface that has it; null without `virtual_mac`.
    #[serde(default)]
    pub virtual_mac: Option<VirtualMac>,
    /// Why it cannot send or receive; null if it can.
    pub fault: Option<String>,
}

/// A MAC address that moves with the addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualMac {
    /// The MAC address: `00:00:5e:00:01:33`.
    pub address: String,
    /// The interface that director makes for it; up while the section is active.
    pub interface: String,
}

/// Counters of a section, since it was declared. The thread that sends adverts writes them.
#[derive(Debug, Default)]
pub struct FailoverCounters {
    /// Adverts sent.
    pub sent: AtomicU64,
    /// Adverts that could not be sent.
    pub send_failures: AtomicU64,
    /// Valid adverts received.
    pub received: AtomicU64,
    /// Messages discarded: wrong checksum, password, TTL.
    pub discarded: AtomicU64,
    /// Own adverts that were more than half an interval late.
    pub late: AtomicU64,
    /// The latest of them, in microseconds.
    pub latest_us: AtomicU64,
    /// Adverts of the active router that came late.
    pub peer_late: AtomicU64,
    /// How often it became active.
    pub became_active: AtomicU64,
    /// How often another router was active at the same time.
    pub conflicts: AtomicU64,
    /// How often this process did not run for so long that it had to listen again.
    pub stalls: AtomicU64,
}

/// The counters at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FailoverCounts {
    /// Adverts sent.
    pub sent: u64,
    /// Adverts that could not be sent.
    pub send_failures: u64,
    /// Valid adverts received.
    pub received: u64,
    /// Messages discarded.
    pub discarded: u64,
    /// Own adverts that were more than half an interval late.
    pub late: u64,
    /// The latest of them, in microseconds.
    pub latest_us: u64,
    /// Adverts of the active router that came late.
    pub peer_late: u64,
    /// How often it became active.
    pub became_active: u64,
    /// How often another router was active at the same time.
    pub conflicts: u64,
    /// How often this process did not run for so long that it had to listen again.
    pub stalls: u64,
}

impl FailoverCounters {
    /// Their values now.
    #[must_use]
    pub fn read(&self) -> FailoverCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FailoverCounts {
            sent: read(&self.sent),
            send_failures: read(&self.send_failures),
            received: read(&self.received),
            discarded: read(&self.discarded),
            late: read(&self.late),
            latest_us: read(&self.latest_us),
            peer_late: read(&self.peer_late),
            became_active: read(&self.became_active),
            conflicts: read(&self.conflicts),
            stalls: read(&self.stalls),
        }
    }
}
