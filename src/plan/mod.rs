//! Plans: the steps that turn the kernel's state into the declaration.
//!
//! ```text
//!   Desired ──┐
//!   Observed ─┼─► diff ─► Plan { steps: make │ change │ break, foreign, draining }
//!   Ownership ┘             │
//!                           ├─► guard: may it be done without being forced?
//!                           └─► render: text for people, JSON for programs
//! ```
//!
//! Pure: no clock, no socket, no file; time and ownership are arguments.
//!
//! # The order
//!
//! Three phases, each a barrier: a phase begins when every step of the earlier one is acknowledged.
//!
//! - **make** creates and widens: services, servers, a weight that rises from 0;
//! - **change** changes in place: schedulers, flags, weights, thresholds, sysctls, timeouts;
//! - **break** narrows and deletes: a weight that becomes 0, servers and services to remove.
//!
//! So at every single operation, a service that stays has at least as many servers for new clients
//! as the smaller of its numbers before and after.

mod change;
mod diff;
mod effect;
mod guard;
pub(crate) mod json;
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
use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};

use crate::state::{BootTime, Ownership, Sysctl};

/// The steps to carry out, in order, and what to report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps, ordered by phase.
    pub steps: Steps,
    /// Services in the kernel that are neither declared nor owned; they are left alone.
    pub foreign: Vec<ServiceKey>,
    /// Servers and whole services that wait at weight 0 for their connections to end.
    pub draining: Vec<Draining>,
    /// Declared sysctls that this kernel does not have: they cannot be set.
    pub lacking: Vec<Sysctl>,
    /// Why the plan needs `--force`.
    pub objections: Vec<Objection>,
    /// The ownership after the plan.
    pub ownership: Ownership,
    /// The names of the services that it deletes; `ownership` has those of the others.
    pub deleted: BTreeMap<ServiceKey, Arc<str>>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// A service's name in the service file, now or before the plan.
    #[must_use]
    pub fn name(&self, key: &ServiceKey) -> Option<&str> {
        let owned = self.ownership.services.get(key).map(|owned| &*owned.name);
        let name = owned.or_else(|| self.deleted.get(key).map(|name| &**name))?;
        // A service that was adopted, or that no file declares, has its address as its name.
        (name != key.to_string()).then_some(name)
    }

    /// The changes that restore the earlier configuration after all steps, in order.
    #[must_use]
    pub fn undo(&self) -> Vec<Change> {
        self.steps.undo()
    }

    /// The steps of one phase.
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = Cow<'_, Step>> {
        self.steps.iter().filter(move |step| step.phase == phase)
    }
}

/// An object that waits for its connections to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// The service's key.
    pub service: ServiceKey,
    /// The server, or `None` for the whole service.
    pub server: Option<ServerKey>,
    /// The number of servers: 1, or those of the whole service.
    pub servers: usize,
    /// Its connections, active and inactive.
    pub connections: u64,
    /// When it is deleted in any case.
    pub until: BootTime,
}
