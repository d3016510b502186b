//! The kernel as the core sees it: one service read, a few operations carried out.

use ipvs::transport::Transport;
use ipvs::{Client, OnFailure, Operation, Report, ServerEntry, Service, ServiceKey};

use crate::state::{ObservedServer, ObservedService};

/// What the core asks of the kernel. Each call is one or two small exchanges.
pub(super) trait Tables {
    /// Reads one service; `None` if it is not there. What it returns is known to be true.
    ///
    /// # Errors
    /// [`ipvs::Error`] when the kernel cannot be asked.
    fn service(&mut self, key: &ServiceKey) -> ipvs::Result<Option<ObservedService>>;

    /// Carries operations out in their order. After a failure no further chunk is sent.
    fn execute(&mut self, operations: &[Operation]) -> Report;
}

impl<T: Transport> Tables for Client<T> {
    fn service(&mut self, key: &ServiceKey) -> ipvs::Result<Option<ObservedService>> {
        let Some(entry) = Client::service(self, key)? else {
            return Ok(None);
        };
        let servers = self.consistent_servers(key)?;
        Ok(Some(observed(entry.service, servers)))
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        self.execute_with(operations, OnFailure::Stop)
    }
}

/// A service as the kernel lists it: the server added last comes first.
pub(super) fn observed(service: Service, servers: Vec<ServerEntry>) -> ObservedService {
    let order = servers.iter().rev().map(|entry| entry.server.key).collect();
    let servers = servers.into_iter().map(ObservedServer::from).collect();
    ObservedService {
        service,
        servers,
        order,
    }
}
