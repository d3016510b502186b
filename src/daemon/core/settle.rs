//! The one way to the kernel: compares the wanted state of a service with the believed one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{Operation, ServiceKey};

use super::Core;
use crate::control::Now;
use crate::control::operator::Settings;
use crate::daemon::overlay::{self, Overlaid, overlay};
use crate::daemon::tables::Tables;
use crate::plan::{Beside, Change, Phase, Plan, Portion, Situation, Steps, diff};
use crate::state::{Desired, Observed, ObservedService, Ownership};

/// The number of services settled per slice; with sixteen servers each, about as many operations as
/// fit into one datagram.
const SLICE: usize = 16;

/// The interval between checks of a draining server.
const DRAIN_PACE: Duration = Duration::from_secs(1);

/// With more draining services than this, they are checked once per period.
const MANY_DRAINS: usize = 64;

impl Core {
    /// The wanted state of a declared service now.
    pub(super) fn overlaid(&self, key: &ServiceKey, now: Now) -> Option<Overlaid> {
        self.overlaid_with(key, &self.settings, now)
    }

    /// The same if operators' settings were these.
    pub(super) fn overlaid_with(
        &self,
        key: &ServiceKey,
        settings: &Settings,
        now: Now,
    ) -> Option<Overlaid> {
        let service = self.services.get(key)?;
        Some(overlay(&overlay::Situation {
            service,
            there: self.believed.get(key),
            settings,
            quiescent: self.believed.quiescent,
            now: now.boot,
        }))
    }

    /// Brings services to their wanted state.
    ///
    /// Services that differ from the believed state, or are refused, are deferred: nothing here
    /// loops.
    pub(super) fn settle(&mut self, keys: &[ServiceKey], tables: &mut dyn Tables, now: Now) {
        let mut desired = Desired {
            policy: self.rest.policy,
            ..Desired::default()
        };
        let mut observed = Observed::default();
        if self.believed.quiescent {
            let on = "1".to_owned();
            observed
                .sysctls
                .insert(crate::state::Sysctl::ExpireQuiescentTemplate, on);
        }
        for key in keys {
            self.work.stale.remove(key);
            self.work.unseen.insert(*key);
            let next = self
                .services
                .get_mut(key)
                .and_then(|service| service.elapse(now.boot));
            // A refused operation is retried when its time comes, whatever happens before.
            let again = self.believed.next_try(key, now.boot);
            self.work
                .timers
                .set(*key, next.into_iter().chain(again).min());
            if let Some(overlaid) = self.overlaid(key, now) {
                self.watch_strength(key, &overlaid, now);
                self.watch_holds(key, &overlaid, now);
                self.mark_in(key, &overlaid);
                desired.services.insert(*key, Arc::new(overlaid.wanted));
            }
            if let Some(there) = self.believed.get(key) {
                observed
                    .services
                    .insert(*key, ObservedService::clone(there));
            }
        }
        let owned = self.holdings.all().of(keys);
        let plan = diff(&Situation {
            desired: &desired,
            observed: &observed,
            ownership: &owned,
            now: now.boot,
            beside: Beside::default(),
        });
        self.take_over(keys, &owned, &plan, now);
        self.carry_out(&plan.steps, tables, now);
        self.forget_gone(keys);
    }

    /// Replaces the ownership of these services, and schedules checks of draining ones.
    fn take_over(&mut self, keys: &[ServiceKey], before: &Ownership, plan: &Plan, now: Now) {
        if plan.ownership != *before {
            self.holdings.plan(keys, plan.ownership.clone());
        }
        let draining = self.holdings.draining();
        let pace = if draining > MANY_DRAINS {
            self.period()
        } else {
            DRAIN_PACE
        };
        for draining in &plan.draining {
            let next = now.boot.after(pace).min(draining.until.max(now.boot));
            self.work.timers.set_before(draining.service, next);
        }
    }

    /// Forgets services that are neither declared nor in the kernel.
    fn forget_gone(&mut self, keys: &[ServiceKey]) {
        for key in keys {
            if self.services.contains_key(key) || self.believed.contains(key) {
                continue;
            }
            self.holdings.forget(key);
            self.work.timers.set(*key, None);
        }
    }

    /// Sends steps, and updates the believed tables.
    fn carry_out(&mut self, steps: &Steps, tables: &mut dyn Tables, now: Now) {
        let mut portions = steps.portions(0, usize::MAX);
        for phase in Phase::ALL {
            while let Some(portion) = portions.next_of(phase) {
                let Portion::Operations(operations) = portion else {
                    continue;
                };
                if self.send(operations, tables, now) {
                    continue;
                }
                // One service's failure is independent of the others': those are settled without
                // it.
                let rest = portions.rest().filter_map(|step| match step.change {
                    Change::Operation(operation) => operation.service_key(),
                    Change::Sysctl { .. } => None,
                });
                let rest = rest.filter(|key| !self.believed.is_refused(key));
                self.work.stale.extend(rest);
                return;
            }
        }
    }

    /// Sends operations; returns whether all succeeded.
    fn send(&mut self, operations: &[Operation], tables: &mut dyn Tables, now: Now) -> bool {
        if operations.is_empty() {
            return true;
        }
        self.believed.write(operations);
        self.reloading.mark_hot(operations);
        let report = tables.execute(operations);
        let sent = report.sent();
        let failures = report.into_failures();
        let meters = self.show.meters();
        meters.refused.add(operations.len().min(failures.len()));
        meters.done.add(sent.saturating_sub(failures.len()));
        let mut failed = failures.iter().peekable();
        let mut not_done = BTreeMap::new();
        for (index, operation) in operations.iter().enumerate() {
            let failure = failed.next_if(|failure| failure.index == index);
            match failure {
                None if index < sent => self.believed.follow(operation),
                _ => {
                    let error = failure.map(|failure| &failure.error);
                    let service = operation.service_key();
                    if let (Some(key), Some(error)) = (service, error)
                        && !error.is_stale_view()
                    {
                        self.believed.doubt(key);
                    }
                    // A service's first failure is the cause of its later ones.
                    not_done.entry(service).or_insert(error);
                }
            }
        }
        for (service, error) in not_done {
            self.not_done(service, error, now);
        }
        if failures.is_empty() {
            for operation in operations {
                if let Some(service) = operation.service_key() {
                    self.believed.accept(&service);
                }
            }
            self.no_trouble();
        }
        failures.is_empty()
    }

    /// An operation failed: the service is read again, immediately or after a pause.
    fn not_done(&mut self, service: Option<ServiceKey>, error: Option<&ipvs::Error>, now: Now) {
        let Some(key) = service else { return };
        let stale = error.is_none_or(|error| error.is_stale_view() || error.is_outcome_unknown());
        let pause = self.believed.refuse(key, stale, self.period(), now.boot);
        if pause.is_zero() {
            self.work.dirty.insert(key);
        } else {
            self.work.timers.set(key, Some(now.boot.after(pause)));
            if let Some(error) = error {
                self.trouble(&key, error, now);
            }
        }
    }

    /// Settles a slice of the services to be compared.
    pub(super) fn settle_stale(&mut self, tables: &mut dyn Tables, now: Now) {
        let keys: Vec<ServiceKey> = self.work.stale.iter().take(SLICE).copied().collect();
        self.settle(&keys, tables, now);
    }

    /// Settles a slice of the services to be read first.
    pub(super) fn settle_dirty(&mut self, tables: &mut dyn Tables, now: Now) {
        let mut keys = Vec::new();
        while keys.len() < SLICE
            && let Some(key) = self.work.dirty.pop_first()
        {
            // An awaited service is examined when its new declaration is in force.
            if !self.reloading.is_awaited(&key) && self.look(&key, tables, now) {
                keys.push(key);
            }
        }
        self.settle(&keys, tables, now);
    }

    /// Reads a service; returns whether to settle it afterwards.
    fn look(&mut self, key: &ServiceKey, tables: &mut dyn Tables, now: Now) -> bool {
        let there = match tables.service(key) {
            Ok(there) => there,
            Err(error) => {
                self.not_done(Some(*key), Some(&error), now);
                return false;
            }
        };
        self.work.unseen.insert(*key);
        let before = self.believed.remove(key);
        let by_us = self.reloading.take_transacted(key);
        if !self.is_ours(key) {
            if there.is_some() {
                self.believed.foreign.insert(*key);
            }
            return false;
        }
        self.believed.foreign.remove(key);
        let meddled = !by_us && self.drift(key, before.as_deref(), there.as_ref(), now);
        self.believed.is_read(key);
        if let Some(there) = there {
            self.believed.insert(*key, there);
        }
        if self.repairs() {
            return true;
        }
        if meddled {
            self.drifted.left(*key);
        }
        // What was reported stays, also when the service is read again.
        !self.drifted.has(key)
    }

    /// Handles services whose time has come.
    pub(super) fn due(&mut self, tables: &mut dyn Tables, now: Now) {
        let mut keys = Vec::new();
        while keys.len() < SLICE
            && let Some(key) = self.work.timers.take_due(now.boot)
        {
            if self.holdings.drains(&key) || self.believed.is_refused(&key) {
                self.work.dirty.insert(key);
            } else {
                keys.push(key);
            }
        }
        if !keys.is_empty() {
            self.settle(&keys, tables, now);
        }
    }

    /// Records which servers serve, for when too few are left, and drops servers that are no longer
    /// held over.
    fn mark_in(&mut self, key: &ServiceKey, overlaid: &Overlaid) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        let mut over = Vec::new();
        for seat in &overlaid.seats {
            let serves = seat.server.is_some_and(|server| server.weight.get() > 0);
            if serves && let Some(state) = service.servers.get_mut(&seat.key) {
                state.was_in = true;
            }
            if seat.server.is_none()
                && let Some(held) = service.held_over.remove(&seat.key)
            {
                over.push((seat.key, held));
            }
        }
        for (server, held) in over {
            for check in &held.state.checks {
                self.targets
                    .unsubscribe(*check, (*key, server), &mut self.out.checks);
            }
        }
    }
}
