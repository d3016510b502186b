//! The in-memory kernel as a platform, with a watcher that checks after every operation.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use director::apply::{Platform, PlatformError};
use director::state::{BootTime, Desired, Observed, ObservedServer, Sysctl};
use ipvs::fake::FakeKernel;
use ipvs::{
    Client, ForwardMethod, OnFailure, Operation, Report, Request, Server, ServerKey, Service,
    ServiceKey,
};

pub(crate) struct Memory {
    pub(crate) kernel: FakeKernel,
    client: Client<FakeKernel>,
    sysctls: BTreeMap<Sysctl, String>,
    watched: Option<BTreeMap<ServiceKey, usize>>,
    /// The number of operations until the program ends halfway.
    life: Option<usize>,
}

/// A service in the kernel that no one owns.
fn foreign_key() -> ServiceKey {
    ServiceKey::tcp([203, 0, 113, 99], 99)
}

impl Memory {
    pub(crate) fn new() -> Self {
        let kernel = FakeKernel::new();
        let client = Client::over(kernel.clone()).unwrap();
        let sysctls = [
            (Sysctl::ExpireNodestConn, "0"),
            (Sysctl::SyncThreshold, "3 50"),
        ];
        let sysctls = sysctls
            .map(|(sysctl, value)| (sysctl, value.to_owned()))
            .into();
        Self {
            kernel,
            client,
            sysctls,
            watched: None,
            life: None,
        }
    }

    pub(crate) fn add_foreign(&mut self) {
        let key = foreign_key();
        let server = Server::new(
            ServerKey::new([10, 99, 0, 1], 99),
            ForwardMethod::Masquerade,
        );
        self.client
            .add_service(&Service::new(key, Service::RR))
            .unwrap();
        self.client.add_server(&key, &server).unwrap();
    }

    pub(crate) fn foreign(&self) -> (Option<Service>, Vec<Server>) {
        let services = self.kernel.services().into_iter();
        let service = services
            .map(|entry| entry.service)
            .find(|service| service.key == foreign_key());
        let servers = self.kernel.servers(&foreign_key());
        (
            service,
            servers.into_iter().map(|entry| entry.server).collect(),
        )
    }

    /// Every service but the foreign one.
    pub(crate) fn services(&self) -> Vec<(Service, Vec<Server>)> {
        let services = self
            .kernel
            .services()
            .into_iter()
            .map(|entry| entry.service);
        let own = services.filter(|service| service.key != foreign_key());
        own.map(|service| {
            let mut servers: Vec<_> = self
                .kernel
                .servers(&service.key)
                .into_iter()
                .map(|entry| entry.server)
                .collect();
            servers.sort_by_key(|server| server.key);
            (service, servers)
        })
        .collect()
    }

    /// The number of operations since the log was cleared.
    pub(crate) fn operations(&self) -> usize {
        let log = self.kernel.log();
        log.iter()
            .filter(|request| matches!(request, Request::Operation(_)))
            .count()
    }

    /// From now on, no service of both A and B may have fewer usable servers than the smaller of
    /// the two, at any operation.
    pub(crate) fn watch(&mut self, a: &Desired, b: &Desired) {
        let usable = |desired: &Desired, key: &ServiceKey| {
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
        };
        let least = |key: &ServiceKey| Some(usable(a, key)?.min(usable(b, key)?));
        let keys = a.services.keys();
        self.watched = Some(keys.filter_map(|key| Some((*key, least(key)?))).collect());
    }

    fn check(&self, operation: &Operation) {
        let Some(watched) = &self.watched else { return };
        for (key, least) in watched {
            let service = self
                .kernel
                .services()
                .into_iter()
                .find(|entry| entry.service.key == *key);
            let service = service.unwrap_or_else(|| panic!("{key} is gone after: {operation}"));
            let unscheduled = service.service.scheduler == Service::NO_SCHEDULER;
            let servers = self.kernel.servers(key).into_iter();
            let usable = servers
                .filter(|entry| entry.server.weight.get() > 0)
                .count();
            let usable = if unscheduled { 0 } else { usable };
            assert!(
                usable >= *least,
                "{key}: {usable} usable servers after: {operation}"
            );
        }
    }

    /// The program ends halfway, this many operations from now.
    pub(crate) fn crash_after(&mut self, operations: usize) {
        self.life = Some(operations);
    }

    pub(crate) fn live_again(&mut self) {
        self.life = None;
        self.client = Client::over(self.kernel.clone()).unwrap();
    }
}

impl Platform for Memory {
    fn observe(&mut self) -> Result<Observed, PlatformError> {
        let daemons = self
            .client
            .daemons()?
            .into_iter()
            .map(|daemon| (daemon.role, daemon));
        Ok(Observed {
            services: Observed::services(self.client.table_of(ObservedServer::from)?),
            timeouts: self.client.timeouts()?,
            daemons: daemons.collect(),
            sysctls: self.sysctls.clone(),
            ..Observed::default()
        })
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        for (index, operation) in operations.iter().enumerate() {
            if let Some(life) = &mut self.life {
                assert!(*life > 0, "the program ends here");
                *life -= 1;
            }
            let report = self.client.execute_with(&[*operation], OnFailure::Stop);
            if !report.is_complete() {
                // As if the chunk had ended here: the failure keeps its index.
                return report.preceded_by(index);
            }
            self.check(operation);
        }
        Report::done(operations.len())
    }

    fn write_sysctl(&mut self, sysctl: Sysctl, value: &str) -> io::Result<()> {
        self.sysctls.insert(sysctl, value.to_owned());
        Ok(())
    }

    fn now(&self) -> BootTime {
        BootTime(Duration::from_secs(1000))
    }
}
