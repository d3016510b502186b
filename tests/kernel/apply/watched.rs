//! A kernel that is examined after every single operation.

use std::collections::BTreeMap;
use std::io;

use director::apply::{Kernel, Platform, PlatformError};
use director::state::{BootTime, Desired, Observed, Sysctl};
use ipvs::{Client, Operation, Report, Server, Service, ServiceKey};

pub(super) struct Watched {
    kernel: Kernel,
    eye: Client,
    least: BTreeMap<ServiceKey, usize>,
}

impl Watched {
    /// Watches that no service of both A and B has fewer usable servers than in the smaller one.
    pub(super) fn new(a: &Desired, b: &Desired) -> Self {
        let least = |key: &ServiceKey| Some(usable(a, key)?.min(usable(b, key)?));
        let least = a
            .services
            .keys()
            .filter_map(|key| Some((*key, least(key)?)))
            .collect();
        Self {
            kernel: Kernel::connect().unwrap(),
            eye: Client::connect().unwrap(),
            least,
        }
    }

    fn check(&mut self, operation: &Operation) {
        for (key, least) in &self.least {
            let service = self.eye.service(key).unwrap();
            let service = service.unwrap_or_else(|| panic!("{key} is gone after: {operation}"));
            let scheduled = service.service.scheduler != Service::NO_SCHEDULER;
            let servers = self.eye.servers(key).unwrap();
            let open = servers
                .iter()
                .filter(|entry| entry.server.weight.get() > 0)
                .count();
            let usable = if scheduled { open } else { 0 };
            assert!(
                usable >= *least,
                "{key}: {usable} usable servers after: {operation}"
            );
        }
    }
}

fn usable(desired: &Desired, key: &ServiceKey) -> Option<usize> {
    let service = desired.services.get(key)?;
    if service.service.scheduler == Service::NO_SCHEDULER {
        return Some(0);
    }
    let servers = service.servers.values();
    Some(
        servers
            .filter(|server| server.server.weight.get() > 0)
            .count(),
    )
}

/// The tables of the calling thread's namespace, in canonical order.
pub(super) fn tables() -> Vec<(Service, Vec<Server>)> {
    let table = Client::connect().unwrap().table().unwrap();
    let service = |service: ipvs::TableService| {
        let mut servers: Vec<_> = service.servers.iter().map(|entry| entry.server).collect();
        servers.sort_by_key(|server| server.key);
        (service.entry.service, servers)
    };
    table.services.into_iter().map(service).collect()
}

impl Platform for Watched {
    fn observe(&mut self) -> Result<Observed, PlatformError> {
        self.kernel.observe()
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        for (index, operation) in operations.iter().enumerate() {
            let report = self.kernel.execute(&[*operation]);
            if !report.is_complete() {
                return report.preceded_by(index);
            }
            self.check(operation);
        }
        Report::done(operations.len())
    }

    fn write_sysctl(&mut self, sysctl: Sysctl, value: &str) -> io::Result<()> {
        self.kernel.write_sysctl(sysctl, value)
    }

    fn now(&self) -> BootTime {
        self.kernel.now()
    }
}
