//! What lowers the priority.

use std::path::PathBuf;
use std::sync::Arc;

use crate::state::Share;

/// How the priority falls with the health of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// The names of the services, never empty.
    pub services: Vec<Arc<str>>,
    /// What is counted.
    pub by: FollowBy,
    /// How much one step takes off, 1 to 253.
    pub step: u8,
    /// After how many consecutive observations a better count is believed; an observation is one
    /// reconcile of the daemon after verdicts changed, at most one a second.
    pub rise: u32,
    /// The same for a worse count.
    pub fall: u32,
}

impl Follow {
    /// How much is taken off when `out` of `all` are out: services or servers, whatever
    /// [`Follow::by`] counts.
    #[must_use]
    pub fn lowered(&self, out: usize, all: usize) -> u32 {
        let steps = match self.by {
            FollowBy::Services => out,
            FollowBy::Servers { every } => {
                let every = usize::from(every.get().max(1));
                (out.min(all) * 100).checked_div(all * every).unwrap_or(0)
            }
        };
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        steps.saturating_mul(u32::from(self.step))
    }

    /// How much it takes off at most.
    #[must_use]
    pub fn most(&self) -> u32 {
        match self.by {
            FollowBy::Services => self.lowered(self.services.len(), self.services.len()),
            FollowBy::Servers { .. } => self.lowered(1, 1),
        }
    }
}

/// What [`Follow`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowBy {
    /// Services that are out: no usable server, or below their quorum. Each costs a step.
    Services,
    /// Servers of these services that are down: each full share of all of them costs a step.
    Servers {
        /// The share, 1 to 100 percent.
        every: Share,
    },
}

/// Something whose failure lowers the priority or makes a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What is watched.
    pub what: Tracked,
    /// What its failure does.
    pub effect: TrackEffect,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracked {
    /// An interface: fails while it is down, has no carrier or does not exist.
    Interface(Arc<str>),
    /// A file.
    File(TrackFile),
    /// A service: fails while it is out, as for [`FollowBy::Services`].
    Service(Arc<str>),
}

/// A file that is there or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrackFile {
    /// Its absolute path.
    pub path: PathBuf,
    /// Whether its absence is the failure; by default its presence is, as of
    /// `/run/maintenance`.
    pub missing: bool,
}

/// What a failure does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackEffect {
    /// Lowers the priority by this much, 1 to 253.
    Lower(u8),
    /// The whole section is in fault: it gives its addresses up and does not claim.
    Fault,
}
