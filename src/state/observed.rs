//! What the kernel has.

use std::collections::BTreeMap;

use ipvs::{
    DaemonRole, ServerEntry, ServerKey, ServiceEntry, ServiceKey, SyncDaemon, Table, Timeouts,
};

use super::Sysctl;

/// The state of one network namespace's IPVS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The virtual services.
    pub services: BTreeMap<ServiceKey, ObservedService>,
    /// The connection time limits.
    pub timeouts: Timeouts,
    /// The sync daemons that run.
    pub daemons: BTreeMap<DaemonRole, SyncDaemon>,
    /// The IPVS sysctls that this kernel has, without surrounding white space.
    pub sysctls: BTreeMap<Sysctl, String>,
}

/// A virtual service in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedService {
    /// Its configuration and counters.
    pub entry: ServiceEntry,
    /// Its real servers.
    pub servers: BTreeMap<ServerKey, ServerEntry>,
}

impl Observed {
    /// The services of a dump that is known to be true.
    #[must_use]
    pub fn services(table: Table) -> BTreeMap<ServiceKey, ObservedService> {
        let service = |service: ipvs::TableService| {
            let servers = service
                .servers
                .into_iter()
                .map(|entry| (entry.server.key, entry));
            let key = service.entry.service.key;
            (
                key,
                ObservedService {
                    entry: service.entry,
                    servers: servers.collect(),
                },
            )
        };
        table.services.into_iter().map(service).collect()
    }
}
