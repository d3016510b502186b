//! The kernel one service at a time: reads it, and carries out a few operations.

use ipvs::transport::Transport;
use ipvs::{Client, OnFailure, Operation, Report, ServiceKey};

use crate::state::{ObservedServer, ObservedService};

/// The core's access to the kernel. Each call is one or two small exchanges.
pub(super) trait Tables {
    /// Reads one service consistently; `None` if it does not exist.
    ///
    /// # Errors
    /// [`ipvs::Error`] if the kernel cannot be queried.
    fn service(&mut self, key: &ServiceKey) -> ipvs::Result<Option<ObservedService>>;

    /// Carries out operations in order. After a failure, sends no further chunk.
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
