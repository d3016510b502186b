//! What the director said.

use crate::http::Flows;
use crate::http::api::{Event, Head, Service};

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// The state of the director as a whole.
    pub(super) head: Option<Head>,
    /// All services; of their servers those with something to report.
    pub(super) services: Vec<Service>,
    /// The service that is open, with all its servers.
    pub(super) service: Option<Service>,
    /// The events of the open view, the newest first.
    pub(super) events: Vec<Event>,
    pub(super) counted: Flows,
}
