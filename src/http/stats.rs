//! The kernel's counters in the format of the API.

use std::sync::Arc;

use ipvs::{ServiceKey, Table, TableService};

use super::api::{ServerStats, ServiceStats};
use crate::control::snapshot::{ServiceStatus, Snapshot};
use crate::state::health::MarkRange;
use crate::state::is_private;

/// The counters of a table, service by service, without private services.
pub(super) fn services(
    table: Table,
    snapshot: Arc<Snapshot>,
    private: MarkRange,
    wanted: impl Fn(&ServiceKey) -> bool + Send + 'static,
) -> impl Iterator<Item = ServiceStats> + Send + 'static {
    let shown = move |key: &ServiceKey| !is_private(key, &private) && wanted(key);
    let services = table.services.into_iter();
    let services = services.filter(move |service| shown(&service.entry.service.key));
    services.map(move |service| {
        let ours = snapshot.services.get(&service.entry.service.key);
        of(&service, ours.map(Arc::as_ref))
    })
}

fn of(service: &TableService, ours: Option<&ServiceStatus>) -> ServiceStats {
    let name = |key| {
        let mut servers = ours?.servers.iter();
        servers.find(|server| server.key() == key)?.name.as_deref()
    };
    let stats = service.entry.stats;
    let mut servers: Vec<_> = service
        .servers
        .iter()
        .map(|entry| ServerStats {
            name: name(entry.server.key).map(str::to_owned),
            address: entry.server.key,
            weight: entry.server.weight.get(),
            active: entry.active,
            inactive: entry.inactive,
            persistent: entry.persistent,
            total: entry.stats.total.into(),
            rate: entry.stats.rate.into(),
        })
        .collect();
    servers.sort_by_key(|server| server.address);
    ServiceStats {
        name: ours.map(|ours| ours.name.to_string()),
        listen: service.entry.service.key,
        total: stats.total.into(),
        rate: stats.rate.into(),
        servers,
    }
}
