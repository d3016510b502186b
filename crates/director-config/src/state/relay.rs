//! The relay: the connections of this director to its peers without multicast.
//!
//! The kernel's master daemon sends to `lo`, on a port of its own, where director reads. The backup
//! daemon listens on the usual one, so that it never hears the master of its own machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipvs::{DaemonRole, Name, SyncDaemon, SyncId};

/// The only interface of the daemons.
pub const INTERFACE: &str = "lo";

/// The port of the master. The backup has the usual one, and the channel of peers the one between.
pub const PORT: u16 = 8850;

/// The longest message of the master: none has two connections. A message waits until the next
/// connection does not fit into it, or for two seconds (`IPVS_SYNC_FLUSH_TIME`).
const MAX_LENGTH: u16 = 1;

/// The daemons of a director with a relay.
#[must_use]
pub const fn daemons(id: SyncId) -> [SyncDaemon; 2] {
    let interface = Name::from_static(INTERFACE);
    let master = SyncDaemon {
        max_length: MAX_LENGTH,
        port: PORT,
        ..SyncDaemon::new(DaemonRole::Master, interface, id)
    };
    let backup = SyncDaemon::new(DaemonRole::Backup, interface, id);
    [master, backup]
}

/// Whether these are the daemons of a relay.
pub fn runs<'d>(mut daemons: impl Iterator<Item = &'d SyncDaemon>) -> bool {
    daemons.any(|daemon| self::daemons(daemon.sync_id)[0] == *daemon)
}

/// Client, virtual address and server of the entry that director makes for itself: packets of it
/// push other entries out of the master's buffer.
pub const PULSE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 88, 50)), PORT);
