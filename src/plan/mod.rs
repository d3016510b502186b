//! What has to be done so that the kernel becomes what is declared.
//!
//! ```text
//!   Desired ──┐
//!   Observed ─┼─► diff ─► Plan { steps: make │ change │ break, foreign, draining }
//!   Ownership ┘             │
//!                           ├─► guard: may it be done without being forced?
//!                           └─► render: text for people, JSON for programs
//! ```
//!
//! Pure: no clock, no socket, no file; what time it is and who owns what is handed in.
//!
//! # The order
//!
//! Three phases, each a barrier: a later one begins when all of the earlier one is acknowledged.
//!
//! - **make** creates and widens: services, servers, a weight that leaves 0;
//! - **change** changes in place: schedulers, flags, weights, thresholds, sysctls, time limits;
//! - **break** narrows and deletes: a weight that becomes 0, servers and services that go.
//!
//! So at every single operation a service that stays has at least as many servers that take new
//! clients as the smaller of what it had before and what it will have after.

mod change;
mod diff;
mod effect;
mod guard;
mod json;
mod leave;
mod render;
mod replaced;
mod service;
mod settings;
mod steps;

pub use change::{Change, Phase, Step};
pub use diff::{Beside, Situation, diff};
pub use effect::Effect;
pub use guard::Objection;
pub(crate) use leave::{can_drain, connections, fallback};
pub use render::{Style, Summary};
pub use settings::sysctls_for;
pub(crate) use steps::Portion;
pub use steps::Steps;

use std::borrow::Cow;

use ipvs::{ServerKey, ServiceKey};

use crate::state::{BootTime, Ownership, Sysctl};

/// What has to be done, in order, and what else there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps: those of a phase stand together, the phases in their order.
    pub steps: Steps,
    /// Services in the kernel that are neither declared nor owned, and are left alone.
    pub foreign: Vec<ServiceKey>,
    /// Servers, and whole services, that wait at weight 0 for their connections to end.
    pub draining: Vec<Draining>,
    /// Sysctls that are declared and that this kernel does not have: they cannot be set.
    pub lacking: Vec<Sysctl>,
    /// Why it should not be done without being forced.
    pub objections: Vec<Objection>,
    /// Who owns what when it is done.
    pub ownership: Ownership,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What gives back the configuration from before, once all steps are done, in the order in
    /// which it has to be.
    #[must_use]
    pub fn undo(&self) -> Vec<Change> {
        self.steps.undo()
    }

    /// The steps of one phase.
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = Cow<'_, Step>> {
        self.steps.iter().filter(move |step| step.phase == phase)
    }
}

/// Something that waits for its connections to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// The service.
    pub service: ServiceKey,
    /// The server, or `None` for the whole service.
    pub server: Option<ServerKey>,
    /// Its connections, active and inactive.
    pub connections: u64,
    /// When it goes in any case.
    pub until: BootTime,
}
