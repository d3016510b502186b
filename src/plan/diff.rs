//! The difference between the declaration and the kernel.

use ipvs::ServiceKey;

use super::guard::check_services;
use super::settings;
use super::{Plan, service};
use crate::state::{
    BootTime, Desired, DesiredService, Foreign, Observed, ObservedService, Owned, Ownership, Sysctl,
};

/// The input of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The declaration.
    pub desired: &'a Desired,
    /// The kernel's state.
    pub observed: &'a Observed,
    /// What director owns.
    pub ownership: &'a Ownership,
    /// The current time.
    pub now: BootTime,
    /// Services outside this plan, for the guard that counts services.
    pub beside: Beside,
}

/// The number of services outside a plan: a daemon's plan covers only what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beside {
    /// Owned services that stay unchanged.
    pub stay: usize,
    /// Services removed a moment ago, in steps of the same change.
    pub gone: usize,
}

impl Situation<'_> {
    /// Whether a sysctl is on after the plan; one of those of [`sysctls_for`](super::sysctls_for).
    pub(super) fn is_on(&self, sysctl: Sysctl) -> bool {
        let declared = self.desired.kernel.sysctls.get(&sysctl);
        declared
            .or_else(|| self.observed.sysctls.get(&sysctl))
            .is_some_and(|value| value != "0")
    }
}

/// Makes the plan that turns the kernel's state into the declaration.
///
/// The steps are in the order of execution. After a complete apply without connections to wait for,
/// the same call returns an empty plan.
#[must_use]
pub fn diff(situation: &Situation<'_>) -> Plan {
    let Situation {
        desired,
        observed,
        ownership,
        ..
    } = situation;
    let mut plan = Plan::default();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    settings::daemons(situation, &mut first, &mut last);
    settings::kernel(situation, &mut first, &mut plan.lacking);
    plan.steps.extend(first);

    let owned = |wanted: &DesiredService| Owned {
        name: wanted.name.clone(),
        drain: wanted.drain,
    };
    let services = desired.services.iter();
    plan.ownership.services = services
        .map(|(key, wanted)| (*key, owned(wanted)))
        .collect();
    // Usually most of this stays unused, and untouched memory costs nothing.
    plan.steps.reserve(desired.services.len());
    for (key, wanted) in &desired.services {
        match observed.services.get(key) {
            None => plan.steps.create(wanted),
            Some(there) => service::change(situation, wanted, there, &mut plan),
        }
    }
    for (key, there) in &observed.services {
        if desired.services.contains_key(key) {
            continue;
        }
        let owned = ownership.services.get(key).cloned();
        match owned.or_else(|| foreign(situation, key)) {
            Some(owned) => service::remove(situation, &owned, there, &mut plan),
            None => plan.foreign.push(*key),
        }
    }
    check_services(situation, &mut plan);
    plan.steps.extend(last);
    // The sort is stable: within a phase, the steps stay in the order in which they were found.
    plan.steps.sort();
    plan
}

/// A foreign service as one to remove, if the policy says so.
fn foreign(situation: &Situation<'_>, key: &ServiceKey) -> Option<Owned> {
    match situation.desired.policy.foreign {
        Foreign::Keep => None,
        Foreign::Remove => Some(Owned::undeclared(key)),
    }
}

/// The number of servers in a service that accept new clients.
pub(super) fn usable(service: &ObservedService) -> usize {
    service
        .servers
        .values()
        .filter(|entry| entry.server.weight.get() > 0)
        .count()
}
