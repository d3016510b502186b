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
    /// How it and this director prove who they are.
    pub proof: PeerProof,
    /// The time between two transfers of its connections, while it holds addresses that this
    /// director does not; `None` for no transfers.
    pub resync: Option<Duration>,
}

/// How directors prove to each other who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerProof {
    /// The file with the key that all directors of the group share.
    Key(PathBuf),
    /// Certificates of an authority, in both directions.
    Certificates(PeerCertificates),
}

/// `tls` of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificates {
    /// The authorities (PEM) that sign the certificates of all directors of the group.
    pub ca: PathBuf,
    /// This director's certificate (PEM) with its chain.
    pub certificate: PathBuf,
    /// Its key (PEM); by default in the certificate's file.
    pub key: Option<PathBuf>,
    /// The name in the peer's certificate; by default its address.
    pub name: Option<String>,
}

impl PeerProof {
    /// Whether two peers can belong to one group: all but the names is the same.
    #[must_use]
    pub fn is_of_one_group(&self, other: &Self) -> bool {
        let files = |all: &PeerCertificates| PeerCertificates {
            name: None,
            ..all.clone()
        };
        match (self, other) {
            (Self::Key(one), Self::Key(other)) => one == other,
            (Self::Certificates(one), Self::Certificates(other)) => files(one) == files(other),
            _ => false,
        }
    }
}

impl Peer {
    /// The default of [`Peer::port`].
    pub const DEFAULT_PORT: u16 = 8849;
    /// The default of [`Peer::resync`].
    pub const DEFAULT_RESYNC: Duration = Duration::from_secs(60);
}
