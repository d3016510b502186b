//! Replaces the declaration of a service; its servers keep their state.

use std::collections::BTreeMap;

use ipvs::{ServerKey, ServiceKey, Weight};

use super::Core;
use crate::check::{Target, TargetId, Verdict};
use crate::control::Now;
use crate::daemon::messages::Declaration;
use crate::daemon::server::ServerState;
use crate::daemon::service::{HeldOver, ServiceState};
use crate::daemon::targets::targets;
use crate::state::health::ServiceWatch;
use crate::state::{DesiredServer, ObservedService};

impl Core {
    /// The state of a service under a new declaration, before its checks are set up.
    pub(super) fn state_of(&self, declaration: &Declaration, now: Now) -> ServiceState {
        let Declaration {
            key,
            declared,
            watch,
        } = declaration;
        let old = self.services.get(key);
        let there = self.believed.get(key);
        // A tree built at once has full nodes; one that grows at its end has half-empty ones.
        let mut servers = Vec::with_capacity(declared.servers.len() + watch.backup.len());
        for (server, wanted) in declared.servers.iter().chain(&watch.backup) {
            let known = old.and_then(|old| {
                let held = old.held_over.get(server).map(|held| &held.state);
                old.servers.get(server).or(held)
            });
            let is_checked = !watch.checks_of(server).is_empty();
            let mut state = match known {
                Some(known) => known.clone(),
                None => {
                    let mut state = ServerState::new(now);
                    ServiceState::begin(wanted, server, &mut state, watch, there, now);
                    // It replaces another server only if clients are served already.
                    let is_new = there.is_some_and(|there| !there.servers.contains_key(server));
                    let replaces = is_new && !state.in_while_open;
                    state.successor = replaces.then_some(self.reloading.number());
                    state
                }
            };
            if !is_checked {
                (state.verdict, state.successor, state.was_in) = (Verdict::Up, None, true);
            }
            servers.push((*server, state));
        }
        let held_over = match (old, there) {
            (Some(old), _) => self.held_over(old, declaration),
            (None, Some(there)) => self.found_over(there, declaration, now),
            (None, None) => BTreeMap::new(),
        };
        ServiceState {
            declared: declared.clone(),
            watch: watch.clone(),
            servers: servers.into_iter().collect(),
            held_over,
            below: old.is_some_and(|old| old.below),
            quorum_lost: match old {
                Some(old) => old.quorum_lost && watch.quorum.is_some(),
                // An earlier director lost it: hysteresis counts from there.
                None => is_out(watch, there),
            },
        }
    }

    /// Puts a new declaration in force.
    pub(super) fn absorb(&mut self, declaration: &Declaration, now: Now) {
        let key = declaration.key;
        let mut service = self.state_of(declaration, now);
        let (declared, watch) = (service.declared.clone(), service.watch.clone());
        if !self.services.contains_key(&key) {
            self.targets.listen(&key, &mut self.out.checks);
        }
        for (server, wanted) in declared.servers.iter().chain(&watch.backup) {
            let Some(state) = service.servers.get_mut(server) else {
                continue;
            };
            let targets = targets(&declared, &watch, server, wanted);
            state.checks = self.subscribe((key, *server), targets, state.verdict);
            state.take_advice(&self.targets);
            if !state.checks.is_empty() {
                state.combine(&self.targets, &watch, now);
            }
        }
        // How these were checked is no longer known; treat them like the others.
        for (server, held) in &mut service.held_over {
            if held.state.checks.is_empty() {
                let targets = targets(&declared, &watch, server, &held.server);
                held.state.checks = self.subscribe((key, *server), targets, Verdict::Open);
                held.state.take_advice(&self.targets);
            }
        }
        if let Some(old) = self.services.insert(key, service) {
            let kept = self.services.get(&key).map(|service| &service.held_over);
            let is_kept = |server: &ServerKey| kept.is_some_and(|kept| kept.contains_key(server));
            for (server, state) in old.states().filter(|(server, _)| !is_kept(server)) {
                for target in &state.checks {
                    self.targets
                        .unsubscribe(*target, (key, *server), &mut self.out.checks);
                }
            }
        }
        self.reloading.has_arrived(&key);
        self.work.dirty.insert(key);
    }

    fn subscribe(
        &mut self,
        member: (ServiceKey, ServerKey),
        targets: Vec<Target>,
        verdict: Verdict,
    ) -> Box<[TargetId]> {
        let subscribe = |target| {
            self.targets
                .subscribe(target, member, verdict, &mut self.out.checks)
        };
        targets.into_iter().map(subscribe).collect()
    }

    /// A service is no longer declared: its checks end, and the rest drains.
    pub(super) fn let_go(&mut self, key: &ServiceKey) {
        self.reloading.has_arrived(key);
        self.work.dirty.insert(*key);
        let Some(old) = self.services.remove(key) else {
            return;
        };
        self.targets.listen_no_more(key, &mut self.out.checks);
        for (server, state) in old.states() {
            for target in &state.checks {
                self.targets
                    .unsubscribe(*target, (*key, *server), &mut self.out.checks);
            }
        }
    }

    /// Serving servers for clients that the new declaration does not have.
    fn held_over(
        &self,
        old: &ServiceState,
        declaration: &Declaration,
    ) -> BTreeMap<ServerKey, HeldOver> {
        let is_gone = |server: &ServerKey| is_gone(declaration, server);
        let left = old.servers.iter().filter_map(|(server, state)| {
            let before = old.declared.servers.get(server)?;
            let held = HeldOver {
                server: before.clone(),
                state: state.clone(),
                since: self.reloading.number(),
            };
            (is_gone(server) && state.verdict != Verdict::Down).then_some((*server, held))
        });
        let still = old.held_over.iter().filter(|(server, _)| is_gone(server));
        still
            .map(|(server, held)| (*server, held.clone()))
            .chain(left)
            .collect()
    }

    /// The same at the start of a director, for servers found in the kernel.
    fn found_over(
        &self,
        there: &ObservedService,
        declaration: &Declaration,
        now: Now,
    ) -> BTreeMap<ServerKey, HeldOver> {
        let serve = there.servers.values().filter(|entry| {
            entry.server.weight != Weight::ZERO && is_gone(declaration, &entry.server.key)
        });
        let held = serve.map(|entry| {
            let mut state = ServerState::new(now);
            state.in_while_open = true;
            let server = DesiredServer {
                name: None,
                server: entry.server,
            };
            (
                entry.server.key,
                HeldOver {
                    server,
                    state,
                    since: self.reloading.number(),
                },
            )
        });
        held.collect()
    }
}

/// Whether a declaration lacks a server.
fn is_gone(declaration: &Declaration, server: &ServerKey) -> bool {
    let Declaration {
        declared, watch, ..
    } = declaration;
    !declared.servers.contains_key(server) && !watch.has_spare(server)
}

/// Whether sorry servers are in the kernel in place of others, because the quorum is lost.
fn is_out(watch: &ServiceWatch, there: Option<&ObservedService>) -> bool {
    let has_sorry = |there: &ObservedService| {
        let mut sorry = watch.sorry.keys();
        sorry.any(|key| there.servers.contains_key(key))
    };
    watch.quorum.is_some() && there.is_some_and(has_sorry)
}
