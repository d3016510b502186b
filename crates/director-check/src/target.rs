//! What is checked.

use std::net::IpAddr;
use std::sync::Arc;

use director_config::state::health::CheckSpec;
use ipvs::ServiceKey;

/// The target of a check: a spec and a place. Equal targets are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// What to check, and how often.
    pub spec: Arc<CheckSpec>,
    /// The address: the spec's, otherwise the server's.
    pub address: IpAddr,
    /// The port: the spec's, otherwise the server's; 0 for a kind without ports.
    pub port: u16,
    /// The virtual service, for checks through the forwarding path and for those whose command or
    /// file names it; `None` for all others, so that services share the target.
    pub service: Option<ServiceKey>,
    /// The server's own address and port, for checks whose command or file names it.
    pub server: (IpAddr, u16),
    /// The service's name in the file, if `service` is set.
    pub service_name: Option<Arc<str>>,
    /// The server's name in the file, for the environment of commands.
    pub server_name: Option<Arc<str>>,
}

/// A target's number, chosen by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// A check's number, never reused.
pub(crate) type Job = u64;
