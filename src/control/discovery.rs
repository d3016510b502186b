//! The state of pools that find their servers, for status and the API.

use std::sync::Arc;

use crate::state::BootTime;

/// A pool as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// Its name.
    pub pool: Arc<str>,
    /// The kind of source.
    pub source: &'static str,
    /// The number of servers in force.
    pub servers: usize,
    /// Those of them that the source does not list.
    pub absent: usize,
    /// When the source last answered with a list that was taken; `None` since this start.
    pub answered: Option<BootTime>,
    /// Why the last answer was rejected.
    pub refused: Option<Arc<str>>,
}
