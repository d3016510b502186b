//! The kernel one service at a time: read it, and carry out a few operations.

use ipvs::transport::Transport;
use ipvs::{Client, OnFailure, Operation, Report, ServiceKey};

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
        let servers = self.consistent_servers(key)?.into_iter();
        let servers = servers.map(ObservedServer::from).collect();
        Ok(Some(ObservedService::listed(entry.service, servers)))
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        self.execute_with(operations, OnFailure::Stop)
    }
}
