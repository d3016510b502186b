//! What the checks are told.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Record, Target, TargetId, Verdict};

/// An order to the checks.
#[derive(Debug)]
pub enum Command {
    /// Starts to check this target. The first check comes immediately; many targets started
    /// together are spread over time, 5,000 per second, at the latest after an interval.
    Start {
        /// Its number from now on.
        id: TargetId,
        /// The target itself.
        target: Arc<Target>,
        /// The initial verdict.
        verdict: Verdict,
        /// Where results are written.
        record: Arc<Record>,
    },
    /// Judges it anew: earlier checks, and one in progress, no longer count, and the next comes
    /// immediately. What was up is open until `rise` further checks pass; what is down stays down
    /// until then.
    Anew(TargetId),
    /// Stops checking it. Nothing is reported afterwards, except for a check in progress.
    Stop(TargetId),
    /// Checks no longer leave from this address, as it is a virtual one, which servers may hold too.
    Avoid(IpAddr),
    /// It is no longer virtual.
    Allow(IpAddr),
}
