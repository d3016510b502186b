//! How a server leaves its service, by kind of service.
//!
//! In general, it gets weight 0, keeps its connections until they end or its time is over, and is
//! then deleted. But weight 0 does not mean the same under every scheduler (`ip_vs_sh_schedule`,
//! `ip_vs_dh_schedule`, `ip_vs_sched_persist`), hence these exceptions:
//!
//! - `dh` refuses the clients that hash to a server of weight 0: the server is deleted immediately;
//! - `sh` and `mh` do so unless their fallback flag is set: it is set while a server drains;
//! - UDP flows that keep their port keep the server whatever its weight: it is deleted immediately,
//!   and `expire_nodest_conn` sends the flow elsewhere;
//! - one-packet services have no connections: their servers are deleted immediately.

use ipvs::{Name, Protocol, Service, ServiceFlags};

use crate::state::ObservedServer;

/// Whether servers of a service keep connections at weight 0 without harming new clients.
pub(crate) fn can_drain(service: &Service) -> bool {
    service.scheduler != Name::from_static("dh")
        && service.key.protocol() != Some(Protocol::Udp)
        && !service.flags.contains(ServiceFlags::ONE_PACKET)
}

/// The flag that makes a scheduler skip servers of weight 0, if it needs one.
pub(crate) fn fallback(service: &Service) -> Option<ServiceFlags> {
    if service.scheduler == Name::from_static("sh") {
        Some(ServiceFlags::SH_FALLBACK)
    } else if service.scheduler == Name::from_static("mh") {
        Some(ServiceFlags::MH_FALLBACK)
    } else {
        None
    }
}

/// The connections that hold a draining server.
pub(crate) fn connections(entry: &ObservedServer) -> u64 {
    u64::from(entry.active) + u64::from(entry.inactive)
}

/// The connections of all servers together.
pub(super) fn all_connections<'a>(servers: impl IntoIterator<Item = &'a ObservedServer>) -> u64 {
    servers.into_iter().map(connections).sum()
}
