//! Other directors, and the channel to them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `[peer.NAME]`: a director of the group. One of them may be this machine: the one with an address
/// that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the file.
    pub name: Arc<str>,
    /// The address on which it listens, and from which it connects.
    pub address: IpAddr,
    /// The TCP port on which it listens.
    pub port: u16,
    /// The file with the key that all directors of the group share.
    pub key_file: PathBuf,
    /// The time between two transfers of its connections, while it holds addresses that this
    /// director does not; `None` for no transfers.
    pub resync: Option<Duration>,
}

impl Peer {
    /// The default of [`Peer::port`].
    pub const DEFAULT_PORT: u16 = 8849;
    /// The default of [`Peer::resync`].
    pub const DEFAULT_RESYNC: Duration = Duration::from_secs(60);
}
