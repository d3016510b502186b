//! Connection synchronisation daemons.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::Name;

/// Which side of the synchronisation a daemon is. A namespace has at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DaemonRole {
    /// Multicasts this director's connections (`IP_VS_STATE_MASTER`).
    Master,
    /// Takes in what masters with its sync id multicast (`IP_VS_STATE_BACKUP`).
    Backup,
}

impl DaemonRole {
    /// `IP_VS_STATE_*`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Master => 1,
            Self::Backup => 2,
        }
    }

    /// The role with that number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Master),
            2 => Some(Self::Backup),
            _ => None,
        }
    }
}

impl fmt::Display for DaemonRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// Keeps groups of directors on one network apart; 0 to 255 (`EINVAL` past that,
/// `start_sync_thread`). A backup with id 0 listens to every master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SyncId(pub u8);

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A synchronisation daemon: one that is to be started, or one that runs.
///
/// A running daemon cannot be changed: stop it and start it anew. `EINVAL` while a service has
/// servers of the other address family, which in their turn cannot be added or changed while a
/// daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SyncDaemon {
    /// Master or backup.
    pub role: DaemonRole,
    /// The interface that the multicasts leave or come in by; `ENODEV` if it is not there.
    pub interface: Name,
    /// The group of directors it belongs to.
    pub sync_id: SyncId,
    /// Longest payload of a sync message, in bytes; 0 to let the kernel derive it from the
    /// interface's MTU. More than 65507 becomes that, less than 1024 becomes that for a backup.
    pub max_length: u16,
    /// The multicast group; `None` for 224.0.0.81.
    pub group: Option<IpAddr>,
    /// The UDP port; 0 for 8848.
    pub port: u16,
    /// TTL of the multicasts; 0 for 1.
    pub ttl: u8,
}

impl SyncDaemon {
    /// The group used when none is given.
    pub const DEFAULT_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 81);
    /// The port used when none is given.
    pub const DEFAULT_PORT: u16 = 8848;
    /// The TTL used when none is given.
    pub const DEFAULT_TTL: u8 = 1;

    /// A daemon with the kernel's defaults for everything that has one.
    #[must_use]
    pub const fn new(role: DaemonRole, interface: Name, sync_id: SyncId) -> Self {
        Self {
            role,
            interface,
            sync_id,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        }
    }
}
