//! The kernel's counters in the format of the API.

use std::collections::{BTreeMap, BTreeSet};

use ipvs::{ServiceKey, Table, TableService};

use super::api::{ServerStats, ServiceStats};
use crate::control::select::Selected;

/// The counters of the selected services and servers, and of these foreign ones.
pub(super) fn services(
    table: Table,
    ours: BTreeMap<ServiceKey, Selected>,
    foreign: BTreeSet<ServiceKey>,
) -> impl Iterator<Item = ServiceStats> + Send + 'static {
    table.services.into_iter().filter_map(move |service| {
        let key = &service.entry.service.key;
        let selected = ours.get(key);
        (selected.is_some() || foreign.contains(key)).then(|| of(&service, selected))
    })
}

fn of(service: &TableService, ours: Option<&Selected>) -> ServiceStats {
    let name = |key| {
        let mut servers = ours?.status.servers.iter();
        servers.find(|server| server.key() == key)?.name.as_deref()
    };
    let stats = service.entry.stats;
    let mut servers: Vec<_> = service
        .servers
        .iter()
        .filter(|entry| ours.is_none_or(|ours| ours.has(&entry.server.key)))
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
        name: ours.map(|ours| ours.status.name.to_string()),
        listen: service.entry.service.key,
        total: stats.total.into(),
        rate: stats.rate.into(),
        servers,
    }
}
