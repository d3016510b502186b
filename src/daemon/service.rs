//! A service over time: its declaration, and the state of its servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey, Weight};

use super::server::{Ramp, Reload, ServerState, in_and_not_checked_yet};
use crate::check::Verdict;
use crate::control::Now;
use crate::state::health::{Initial, ServiceWatch};
use crate::state::{BootTime, DesiredServer, DesiredService, ObservedService};

/// A declared service, and the state of its servers.
#[derive(Debug, Clone)]
pub(super) struct ServiceState {
    pub(super) declared: Arc<DesiredService>,
    pub(super) watch: Arc<ServiceWatch>,
    /// Its servers and backup servers.
    pub(super) servers: BTreeMap<ServerKey, ServerState>,
    /// Servers that are no longer declared, and wait for their replacements.
    pub(super) held_over: BTreeMap<ServerKey, HeldOver>,
    /// Whether fewer servers than `min_healthy` are up, which has been reported.
    pub(super) below: bool,
    /// Whether the quorum is lost, which has been reported.
    pub(super) quorum_lost: bool,
}

/// A server that is no longer declared, in its last state.
#[derive(Debug, Clone)]
pub(super) struct HeldOver {
    pub(super) server: DesiredServer,
    pub(super) state: ServerState,
    /// The reload that removed it: servers added by an earlier one do not replace it.
    pub(super) since: Reload,
}

impl ServiceState {
    pub(super) fn key(&self) -> ServiceKey {
        self.declared.service.key
    }

    /// A declared server, for clients or as a backup.
    pub(super) fn server(&self, key: &ServerKey) -> Option<&DesiredServer> {
        self.declared
            .servers
            .get(key)
            .or_else(|| self.watch.backup.get(key))
    }

    /// All servers that are checked, those that wait for their successors last.
    pub(super) fn states(&self) -> impl Iterator<Item = (&ServerKey, &ServerState)> {
        let held_over = self.held_over.iter();
        let held_over = held_over.map(|(server, held)| (server, &held.state));
        self.servers.iter().chain(held_over)
    }

    /// Sets how a server begins that was not known before.
    ///
    /// A server in the kernel with a weight is in and stays so until its checks fail; one without
    /// weight, or missing from an existing service, is out until they succeed; a new one starts as
    /// declared.
    pub(super) fn begin(
        declared: &DesiredServer,
        key: &ServerKey,
        state: &mut ServerState,
        watch: &ServiceWatch,
        there: Option<&ObservedService>,
        now: Now,
    ) {
        let found = there.and_then(|there| there.servers.get(key));
        state.in_while_open = match found {
            Some(entry) => {
                entry.server.weight != Weight::ZERO || declared.server.weight == Weight::ZERO
            }
            None => watch.initial_of(key) == Initial::Up,
        };
        state.was_in = state.in_while_open;
        if let Some(entry) = found
            && state.in_while_open
        {
            let (has, full) = (entry.server.weight.get(), declared.server.weight.get());
            state.ramp = Ramp::resume(watch.slow_start, has, full, now.boot).map(Box::new);
        }
        if state.verdict == Verdict::Open && state.in_while_open {
            state.reason = in_and_not_checked_yet();
        }
    }

    /// Lets time pass for all servers; returns when something changes by itself next.
    pub(super) fn elapse(&mut self, now: BootTime) -> Option<BootTime> {
        let watch = &self.watch;
        let held_over = self.held_over.values_mut().map(|held| &mut held.state);
        let mut next: Option<BootTime> = None;
        let mut earliest = |time: Option<BootTime>| {
            next = match (next, time) {
                (Some(next), Some(time)) => Some(next.min(time)),
                (one, other) => one.or(other),
            };
        };
        for server in self.servers.values_mut().chain(held_over) {
            server.elapse(watch, now);
            earliest(server.damper.until(now));
            if server.ramp.as_ref().is_some_and(|ramp| ramp.is_over(now)) {
                server.ramp = None;
            }
            earliest(server.ramp.as_ref().and_then(|ramp| ramp.next(now)));
            let asked = server.asked_percent;
            earliest(server.stepper.step(asked, &watch.weight_steps, now));
        }
        next
    }
}
