//! What the kernel has.

use std::collections::BTreeMap;

use ipvs::{
    DaemonRole, ServerEntry, ServerKey, ServiceEntry, ServiceKey, SyncDaemon, Table, Timeouts,
};

use super::{Servers, Sysctl};

/// The state of one network namespace's IPVS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The virtual services.
    pub services: BTreeMap<ServiceKey, ObservedService>,
    /// Private services of checks through the forwarding path, once
    /// [`hide_private`](Self::hide_private) has moved them out of sight.
    pub private: BTreeMap<ServiceKey, ObservedService>,
    /// The connection time limits.
    pub timeouts: Timeouts,
    /// The sync daemons that run.
    pub daemons: BTreeMap<DaemonRole, SyncDaemon>,
    /// The IPVS sysctls that this kernel has, the words of a value parted by one blank.
    pub sysctls: BTreeMap<Sysctl, String>,
}

/// A virtual service in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedService {
    /// Its configuration and counters.
    pub entry: ServiceEntry,
    /// Its real servers.
    pub servers: Servers<ServerEntry>,
    /// Their keys in the order in which they were added, where that is not the order of the keys.
    /// Under `sh` it decides which client goes where, so whoever brings a service back adds them
    /// in it: [`ObservedService::as_added`].
    pub order: Vec<ServerKey>,
}

impl ObservedService {
    /// The servers in the order in which they were added.
    pub fn as_added(&self) -> impl Iterator<Item = &ServerEntry> {
        let by_key = self.order.is_empty().then(|| self.servers.values());
        let as_said = self.order.iter().filter_map(|key| self.servers.get(key));
        by_key.into_iter().flatten().chain(as_said)
    }
}

impl Observed {
    /// The services of a dump that is known to be true.
    #[must_use]
    pub fn services(table: Table) -> BTreeMap<ServiceKey, ObservedService> {
        let service = |service: ipvs::TableService| {
            let ipvs::TableService { entry, mut servers } = service;
            // The kernel lists the one added last first.
            servers.reverse();
            let keys = || servers.iter().map(|entry| entry.server.key);
            let order = match keys().is_sorted() {
                true => Vec::new(),
                false => keys().collect(),
            };
            let servers = servers.into_iter().collect();
            (
                entry.service.key,
                ObservedService {
                    entry,
                    servers,
                    order,
                },
            )
        };
        table.services.into_iter().map(service).collect()
    }
}
