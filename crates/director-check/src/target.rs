//! What is checked.

use std::net::IpAddr;
use std::sync::Arc;

use director_config::state::health::CheckSpec;
use ipvs::ServiceKey;

/// What is checked: a spec and a place. Targets that are equal are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// What is asked, how often.
    pub spec: Arc<CheckSpec>,
    /// Where: the spec's address, else the server's.
    pub address: IpAddr,
    /// The spec's port, else the server's; 0 for a kind that has none.
    pub port: u16,
    /// The virtual service, for a check through the forwarding path and for those whose command
    /// or file names it; `None` for all others, so that services share the target.
    pub service: Option<ServiceKey>,
    /// The server's own address and port, for those whose command or file names it.
    pub server: (IpAddr, u16),
    /// The service's name in the file, where `service` is some.
    pub service_name: Option<Arc<str>>,
    /// The server's name in the file, for the environment of commands.
    pub server_name: Option<Arc<str>>,
}

/// A target's number, given by whoever starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);
