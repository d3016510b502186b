//! A new service file, from the order to read it until it is in force.
//!
//! ```text
//!   order ─► Loading ─► Overlaying ─► Transacting ─► Absorbing ─► in force
//!            worker     slices        worker         slices
//!               └─ mistakes ─┴── guard, refusal ─┴─► the old one stays, and says why
//! ```
//!
//! Only differences from the file in force are processed. The old declaration applies until the
//! transaction is done, so that a verdict in between finds everything unchanged; the transaction
//! leaves servers alone that the verdict changes.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::Core;
use super::keep::Matter;
use super::reloading::{Carried, Stage};
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::{Answer, Refusal, RefusalKind};
use crate::control::snapshot::Rejection;
use crate::daemon::messages::{
    Declaration, First, Job, Loaded, NotDone, Order, ReadOrder, Reply, Transacted, Transaction,
};
use crate::daemon::overlay::{Situation, overlay};
use crate::state::failover::{Change, Effect};
use crate::state::{DesiredService, Sysctl};
use crate::words::{count, listed, path as shown};

/// The number of services per slice of a stage.
const SLICE: usize = 16;

impl Core {
    /// Whether the file is being read or applied.
    pub(in crate::daemon) fn is_reloading(&self) -> bool {
        self.reloading.is_reload()
    }

    /// Starts a reload.
    pub(super) fn reload(&mut self, order: Order, mut reply: Option<Reply>, now: Now) {
        if self.is_reading_late(&mut reply, now) {
            return;
        }
        if self.reloading.is_busy() {
            self.reloading.wait_for_next(order, reply);
            return;
        }
        self.reloading.wait(reply);
        let text = format!("reading {}", shown(self.reloading.file()));
        self.event(EventKind::Reloading, Subject::None, text, now);
        self.begin_load(false, order, now);
    }

    pub(super) fn begin_load(&mut self, first: bool, order: Order, now: Now) {
        self.show.load_began = now.boot;
        self.keeping.file_begins();
        self.reloading.enter(Stage::Loading { order });
        self.stalls.begin();
        self.out.read = Some(ReadOrder { first, order });
    }

    /// The worker has compared the file.
    pub(super) fn loaded(&mut self, loaded: Result<Box<Loaded>, Rejection>, now: Now) {
        if self.came_late(now) {
            return;
        }
        let Stage::Loading { order } = *self.reloading.stage() else {
            return;
        };
        match loaded {
            Err(rejection) => self.reject(&rejection, now),
            Ok(mut loaded) => {
                if !order.force
                    && let Some(why) = self.refuse_split(&loaded.failovers)
                {
                    self.reject(&Rejection::guard(why), now);
                    return;
                }
                if !order.force
                    && let Some(why) = self.refuse_abandoned(&loaded, now)
                {
                    self.reject(&Rejection::guard(why), now);
                    return;
                }
                match loaded.first.take() {
                    Some(first) => self.adopt(*first, &loaded, now),
                    None => self.reloading.count(),
                }
                // Adopted as at the start: unchanged until its checks decide.
                for (key, there) in std::mem::take(&mut loaded.found) {
                    self.believed.insert_unknown(key, there);
                }
                self.reloading.enter(Stage::Overlaying {
                    loaded,
                    order,
                    next: 0,
                    wanted: Vec::new(),
                });
            }
        }
    }

    /// The kernel's state when the director starts.
    fn adopt(&mut self, first: First, loaded: &Loaded, now: Now) {
        for text in first.warnings {
            self.event(EventKind::StateDamaged, Subject::None, text, now);
        }
        self.holdings.adopt(first.ownership);
        let declared: std::collections::BTreeSet<&ServiceKey> = loaded
            .changed
            .iter()
            .map(|declaration| &declaration.key)
            .collect();
        for (key, there) in first.observed.services {
            if declared.contains(&key) || self.holdings.service(&key).is_some() {
                self.believed.insert(key, there);
            } else {
                self.believed.foreign.insert(key);
            }
        }
        let quiescent = first.observed.sysctls.get(&Sysctl::ExpireQuiescentTemplate);
        self.believed.quiescent = quiescent.is_some_and(|value| value != "0");
    }

    /// Does a slice of a stage.
    pub(super) fn advance_reload(&mut self, now: Now) {
        match self.reloading.leave() {
            Stage::Overlaying {
                loaded,
                order,
                mut next,
                mut wanted,
            } => {
                let end = loaded.changed.len().min(next + SLICE);
                for declaration in &loaded.changed[next..end] {
                    wanted.push(self.wanted_then(
                        declaration,
                        loaded.quiescent(self.believed.quiescent),
                        now,
                    ));
                }
                next = end;
                if next < loaded.changed.len() {
                    self.reloading.enter(Stage::Overlaying {
                        loaded,
                        order,
                        next,
                        wanted,
                    });
                    return;
                }
                let removed = self.no_longer_declared(&loaded);
                let changed = loaded.changed.iter().map(|one| one.key);
                self.reloading
                    .await_services(changed.chain(removed.iter().copied()));
                self.stalls.begin();
                self.out.jobs.push(Job::Transact(Box::new(Transaction {
                    wanted,
                    declared: loaded
                        .changed
                        .iter()
                        .map(|one| one.declared.clone())
                        .collect(),
                    removed,
                    rest: loaded.rest.clone(),
                    ownership: self.holdings.all().clone(),
                    hot: self.reloading.hot(),
                    order: Some(order),
                    first: !self.is_ready(),
                    policy: self.is_ready().then_some(self.rest.policy),
                })));
                self.reloading.enter(Stage::Transacting {
                    loaded: Some(loaded),
                    order,
                });
            }
            Stage::Absorbing {
                mut loaded,
                mut next,
                mut done,
            } => {
                if next == 0 {
                    let checks = loaded
                        .changed
                        .iter()
                        .map(|one| one.watch.checks.len() * one.declared.servers.len());
                    self.targets.make_room(checks.sum());
                }
                let end = loaded.changed.len().min(next + SLICE);
                for declaration in &loaded.changed[next..end] {
                    done.unchecked.extend(self.loses_checks(declaration));
                    self.absorb(declaration, now);
                }
                next = end;
                if next < loaded.changed.len() {
                    self.reloading
                        .enter(Stage::Absorbing { loaded, next, done });
                    return;
                }
                let rest = loaded.removed.len().min(SLICE);
                for key in loaded.removed.drain(..rest) {
                    self.let_go(&key);
                }
                if loaded.removed.is_empty() {
                    self.in_force(done, now);
                } else {
                    self.reloading
                        .enter(Stage::Absorbing { loaded, next, done });
                }
            }
            other => self.reloading.enter(other),
        }
    }

    /// The wanted state of a service if a new declaration were in force.
    fn wanted_then(&self, declaration: &Declaration, quiescent: bool, now: Now) -> DesiredService {
        let service = self.state_of(declaration, now);
        let there = self.believed.get(&declaration.key);
        let overlaid = overlay(&Situation {
            service: &service,
            there,
            settings: &self.settings,
            quiescent,
            now: now.boot,
        });
        overlaid.wanted
    }

    /// Services missing from the new file; at the start also those that an earlier run owned.
    fn no_longer_declared(&self, loaded: &Loaded) -> Vec<ServiceKey> {
        let declared: std::collections::BTreeSet<&ServiceKey> = loaded
            .changed
            .iter()
            .map(|declaration| &declaration.key)
            .collect();
        let stays = |key: &ServiceKey| {
            declared.contains(key)
                || (self.services.contains_key(key) && !loaded.removed.contains(key))
        };
        let owned = self.holdings.all().services.keys();
        let left = owned.filter(|key| !stays(key) && self.believed.contains(key));
        let mut removed: Vec<ServiceKey> = left.copied().collect();
        removed.extend(loaded.removed.iter().copied());
        removed.sort_unstable();
        removed.dedup();
        removed
    }

    /// Repairs the settings after a change by another program.
    pub(super) fn transact_settings(&mut self) {
        self.reloading.enter(Stage::Transacting {
            loaded: None,
            order: Order::default(),
        });
        self.stalls.begin();
        self.out.jobs.push(Job::Transact(Box::new(Transaction {
            wanted: Vec::new(),
            declared: Vec::new(),
            removed: Vec::new(),
            rest: self.rest.clone(),
            ownership: self.holdings.all().clone(),
            hot: self.reloading.hot(),
            order: None,
            first: false,
            policy: None,
        })));
    }

    /// The worker has carried out the transaction, or it failed.
    pub(super) fn transacted(&mut self, result: Result<Transacted, NotDone>, now: Now) {
        self.reloading.clear_hot();
        let stage = self.reloading.leave();
        let Stage::Transacting { loaded, order } = stage else {
            return;
        };
        self.reloading.end_transaction();
        match &result {
            Ok(done) => self.show.meters().done.add(done.steps),
            Err(NotDone::Refused(_)) => self.show.meters().refused.add(1),
            Err(NotDone::Unkept(_)) => {}
        }
        match (result, loaded) {
            (Err(NotDone::Unkept(why)), Some(_)) if self.is_ready() => {
                self.put_off(&why, order, now);
            }
            (Err(NotDone::Unkept(why)), Some(_)) => self.reject(&Rejection::failure(why), now),
            (Err(NotDone::Refused(rejection)), Some(_)) => self.reject(&rejection, now),
            // The next reading of the tables finds the actual state, and tries again.
            (Err(NotDone::Unkept(why)), None) => self.is_not_kept(Matter::Ledger, &why, now),
            (Err(NotDone::Refused(rejection)), None) => {
                self.event(EventKind::KernelRefused, Subject::None, rejection.why, now);
            }
            (Ok(done), None) => self.ledger_kept(&done.unkept.map_or(Ok(()), Err), now),
            (Ok(done), Some(loaded)) => {
                self.holdings.replace(&done.keys, done.ownership);
                self.believed.quiescent = loaded.quiescent(self.believed.quiescent);
                self.rest = loaded.rest.clone();
                self.run = loaded.run.clone();
                self.declare_discovered();
                let (split, moved) =
                    said(&self.declare_failover(&loaded.failovers, order.force, now));
                self.ledger_kept(&done.unkept.clone().map_or(Ok(()), Err), now);
                self.reloading.enter(Stage::Absorbing {
                    loaded,
                    next: 0,
                    done: Carried {
                        steps: done.steps,
                        forced: [done.forced, split].concat(),
                        moved,
                        unkept: done.unkept,
                        unchecked: BTreeSet::new(),
                    },
                });
            }
        }
        self.again(now);
    }

    /// Rejects the new file: the old one stays in force.
    pub(super) fn reject(&mut self, rejection: &Rejection, now: Now) {
        let why = rejection.why.as_str();
        self.reloading.leave();
        self.is_kept(Matter::File, now);
        let stays = if self.is_ready() {
            self.look_at_awaited();
            "; keeping the previous configuration"
        } else {
            // The director ends. It does not settle what the last run left.
            self.reloading.release();
            ""
        };
        let text = format!("{}{stays}\n{why}", name(self.reloading.file()));
        self.event(EventKind::Rejected, Subject::None, text, now);
        self.show.rejected = Some(Arc::from(why));
        self.show.rejected_by = rejection.by;
        self.show.meters().rejections.add(1);
        self.show.touch();
        if self.is_ready() {
            self.lists_were_read(Err(rejection));
        }
        let refusal = Refusal {
            kind: RefusalKind::Refused,
            message: why.to_owned(),
        };
        self.answer_reload(&Err(refusal));
        self.again(now);
    }

    fn in_force(&mut self, done: Carried, now: Now) {
        let Carried {
            steps,
            forced,
            moved,
            unkept,
            unchecked,
        } = done;
        self.is_kept(Matter::File, now);
        self.look_at_awaited();
        self.forget_stale(now);
        self.tell_served();
        let services = &self.services;
        let servers = services.values().flat_map(|service| service.servers.keys());
        let addresses: HashSet<_> = servers.map(|server| server.address).collect();
        let is_declared = |key: &ServiceKey| services.contains_key(key);
        self.causes.in_force(is_declared, addresses.len());
        self.show.loaded = Some(now.boot);
        let meters = self.show.meters();
        meters.loads.add(1);
        meters.load_time.set(self.show.load_began.until(now.boot));
        // At the start the transaction compared everything, and made it so.
        self.show.reconciled.get_or_insert(now.boot);
        self.show.rejected = None;
        self.show.touch();
        let text = format!(
            "in force: {}, {}; {} made",
            count(self.services.len(), "service", "services"),
            count(self.declared_checks(), "check", "checks"),
            count(steps, "change", "changes"),
        );
        self.event(EventKind::Loaded, Subject::None, text.clone(), now);
        self.lists_were_read(Ok(()));
        let mut lines = vec![text];
        if let Some(warning) = without_checks(&unchecked) {
            self.event(
                EventKind::ChecksRemoved,
                Subject::None,
                warning.clone(),
                now,
            );
            lines.push(format!("warning: {warning}"));
        }
        self.out.jobs.push(Job::Advise);
        let mut done: Vec<String> = forced
            .iter()
            .map(|text| format!("forced: {text}"))
            .collect();
        for text in &done {
            tracing::warn!("{text}");
        }
        for text in &moved {
            tracing::info!("{text}");
        }
        done.extend(lines);
        done.extend(moved);
        let mut answer = Answer::done(done);
        answer.not_kept = unkept;
        self.answer_reload(&Ok(answer));
        self.believed.read_before(now.boot.after(self.period()));
        self.again(now);
    }

    /// The number of checks that the file in force declares: without those of servers that are no
    /// longer declared and still stay, and each once, however many services share it.
    fn declared_checks(&self) -> usize {
        let servers = self
            .services
            .values()
            .flat_map(|service| service.servers.values());
        let checks: HashSet<_> = servers.flat_map(|server| &server.checks).collect();
        checks.len()
    }

    /// The name of a service that a new declaration leaves without any check.
    fn loses_checks(&self, declaration: &Declaration) -> Option<Arc<str>> {
        let old = self.services.get(&declaration.key)?;
        let had = old.watch.has_checks(&old.declared.servers);
        let has = declaration.watch.has_checks(&declaration.declared.servers);
        (had && !has).then(|| Arc::clone(&old.declared.name))
    }

    /// No transaction concerns them any more.
    pub(super) fn look_at_awaited(&mut self) {
        self.work.dirty.append(&mut self.reloading.release());
    }

    /// The file changed again while it was being read.
    fn again(&mut self, now: Now) {
        if let Some(order) = self.reloading.take_next() {
            self.reload(order, None, now);
        }
    }
}

/// What an edit does to the addresses: what was forced, and the rest.
fn said(changes: &[Change]) -> (Vec<String>, Vec<String>) {
    let (forced, rest): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| change.effect == Effect::Splits);
    let texts = |changes: Vec<&Change>| changes.iter().map(ToString::to_string).collect();
    (texts(forced), texts(rest))
}

/// Services that had checks and have none any more.
fn without_checks(names: &BTreeSet<Arc<str>>) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!(
            "the new file removes the checks of {}: {}; their servers count as up",
            count(names.len(), "service", "services"),
            listed(names.iter())
        )
    })
}

fn name(path: &Path) -> String {
    format!("{} rejected", shown(path))
}
