//! The kernel's counters in the format of the API.

use std::collections::{BTreeMap, BTreeSet};

use ipvs::{ServiceKey, Table, TableService};

use super::api::{ServerStats, ServiceStats};
use crate::control::select::Selected;

/// The counters of the selected services and servers, and of these foreign ones; if `is_brief`,
/// those of services only.
pub(super) fn services(
    table: Table,
    ours: BTreeMap<ServiceKey, Selected>,
    foreign: BTreeSet<ServiceKey>,
    is_brief: bool,
) -> impl Iterator<Item = ServiceStats> + Send + 'static {
    table.services.into_iter().filter_map(move |service| {
        let key = &service.entry.service.key;
        let selected = ours.get(key);
        (selected.is_some() || foreign.contains(key)).then(|| of(&service, selected, is_brief))
    })
}

fn of(service: &TableService, ours: Option<&Selected>, is_brief: bool) -> ServiceStats {
    let name = |key| {
        let mut servers = ours?.status.servers.iter();
        servers.find(|server| server.key() == key)?.name.as_deref()
    };
    let stats = service.entry.stats;
    let selected = service.servers.iter();
    let selected = selected.filter(|entry| ours.is_none_or(|ours| ours.has(&entry.server.key)));
    let (mut active, mut inactive) = (0, 0);
    for entry in selected.clone() {
        active += u64::from(entry.active);
        inactive += u64::from(entry.inactive);
    }
    let mut servers: Vec<_> = selected
        .filter(|_| !is_brief)
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
        active,
        inactive,
        servers,
    }
}
