//! Connection synchronisation daemons.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::Name;

/// The role of a sync daemon. A namespace has at most one daemon of each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DaemonRole {
    /// Multicasts this director's connections (`IP_VS_STATE_MASTER`).
    Master,
    /// Receives what masters with its sync id multicast (`IP_VS_STATE_BACKUP`).
    Backup,
}

impl DaemonRole {
    /// The role's number, `IP_VS_STATE_*`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Master => 1,
            Self::Backup => 2,
        }
    }

    /// The role with this number.
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

/// Separates groups of directors on one network; 0 to 255 (`start_sync_thread` returns `EINVAL`
/// above). A backup with id 0 listens to every master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SyncId(pub u8);

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A synchronisation daemon, running or to be started.
///
/// A running daemon cannot be changed: stop it and start it again. Starting fails with `EINVAL`
/// while a service has servers of the other address family; such servers cannot be added or changed
/// while a daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SyncDaemon {
    /// Master or backup.
    pub role: DaemonRole,
    /// The interface that sends or receives the multicasts; `ENODEV` if it does not exist.
    pub interface: Name,
    /// The group of directors it belongs to.
    pub sync_id: SyncId,
    /// The longest payload of a sync message, in bytes; 0 derives it from the interface's MTU. The
    /// kernel caps it at 65507; a backup raises values below 1024 to 1024.
    pub max_length: u16,
    /// The multicast group; `None` for 224.0.0.81.
    pub group: Option<IpAddr>,
    /// The UDP port; 0 for 8848.
    pub port: u16,
    /// The TTL of the multicasts; 0 for 1.
    pub ttl: u8,
}

impl SyncDaemon {
    /// The group if none is given.
    pub const DEFAULT_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 81);
    /// The port if none is given.
    pub const DEFAULT_PORT: u16 = 8848;
    /// The TTL if none is given.
    pub const DEFAULT_TTL: u8 = 1;

    /// A daemon with the kernel's defaults for all optional values.
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
