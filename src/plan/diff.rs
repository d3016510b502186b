//! The difference between what is declared and what is there.

use ipvs::ServiceKey;

use super::guard::check_services;
use super::settings;
use super::{Plan, service};
use crate::state::{
    BootTime, Desired, DesiredService, Foreign, Observed, ObservedService, Owned, Ownership, Sysctl,
};

/// All that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What is declared.
    pub desired: &'a Desired,
    /// What is there.
    pub observed: &'a Observed,
    /// What is owned.
    pub ownership: &'a Ownership,
    /// What time it is.
    pub now: BootTime,
    /// Services that are not part of this, for the guard that counts services.
    pub beside: Beside,
}

/// How many services a plan is not about: the plan of a daemon has only what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beside {
    /// Owned services that stay as they are.
    pub stay: usize,
    /// Services that went a moment ago, in steps of the same change.
    pub gone: usize,
}

impl Situation<'_> {
    /// Whether a sysctl will be on when the plan is done; one of those of
    /// [`sysctls_for`](super::sysctls_for).
    pub(super) fn is_on(&self, sysctl: Sysctl) -> bool {
        let declared = self.desired.kernel.sysctls.get(&sysctl);
        declared
            .or_else(|| self.observed.sysctls.get(&sysctl))
            .is_some_and(|value| value != "0")
    }
}

/// Makes the plan that turns what is there into what is declared.
///
/// The result is in the order in which it has to be carried out. Applied in full, and with no
/// connection left to wait for, the same call gives an empty plan.
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
    // Most often all of this stays unused, and room that nobody writes to costs nothing.
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
    // Within a phase the order stays that in which the steps were found.
    plan.steps.sort();
    plan
}

/// A foreign service as one to be removed, where the policy says so.
fn foreign(situation: &Situation<'_>, key: &ServiceKey) -> Option<Owned> {
    match situation.desired.policy.foreign {
        Foreign::Keep => None,
        Foreign::Remove => Some(Owned::undeclared(key)),
    }
}

/// The number of servers in a service that take new clients.
pub(super) fn usable(service: &ObservedService) -> usize {
    service
        .servers
        .values()
        .filter(|entry| entry.server.weight.get() > 0)
        .count()
}
