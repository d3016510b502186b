//! A new service file, from the order to read it until it is in force.
//!
//! ```text
//!   order ─► Loading ─► Overlaying ─► Transacting ─► Absorbing ─► in force
//!            worker     slices        worker         slices
//!               └─ mistakes ─┴── guard, refusal ─┴─► the old one stays, and says why
//! ```
//!
//! Only what differs from the file in force goes through it. Until the transaction is done the old
//! declaration holds, so that a verdict in between finds everything as it was; what it changes
//! meanwhile the transaction leaves alone.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::Core;
use super::keep::Matter;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::{Answer, Refusal, RefusalKind};
use crate::daemon::messages::{
    Declaration, First, Job, Loaded, NotDone, Order, ReadOrder, Reply, Transacted, Transaction,
};
use crate::daemon::overlay::{Situation, overlay};
use crate::state::{DesiredService, Sysctl};
use crate::words::{count, path as shown};

/// So many services go through a stage in one slice.
const SLICE: usize = 16;

/// An order to read the file again that has to wait.
#[derive(Default)]
pub(super) struct Again {
    order: Order,
    pub(super) replies: Vec<Reply>,
}

/// How far a reload is.
pub(in crate::daemon) enum Stage {
    /// None is under way.
    Idle,
    /// The worker reads the file.
    Loading { order: Order },
    /// What is declared now is worked out, service by service.
    Overlaying {
        loaded: Box<Loaded>,
        order: Order,
        next: usize,
        wanted: Vec<DesiredService>,
    },
    /// The worker makes the kernel so. `None` for settings alone, which are no reload.
    Transacting {
        loaded: Option<Box<Loaded>>,
        order: Order,
    },
    /// The new declarations take the place of the old ones.
    Absorbing {
        loaded: Box<Loaded>,
        next: usize,
        done: Carried,
    },
}

/// What a transaction came to.
#[derive(Debug)]
pub(in crate::daemon) struct Carried {
    steps: usize,
    /// Why its ledger is not on disk, if it is not.
    unkept: Option<String>,
}

impl Stage {
    /// Whether the core has a slice of it to do.
    pub(super) fn has_work(&self) -> bool {
        matches!(self, Self::Overlaying { .. } | Self::Absorbing { .. })
    }

    /// Whether the worker changes tables.
    pub(super) fn is_transacting(&self) -> bool {
        matches!(self, Self::Transacting { .. })
    }
}

impl Core {
    /// Whether the file is being read, or the kernel being made what it says.
    pub(in crate::daemon) fn is_reloading(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Idle | Stage::Transacting { loaded: None, .. }
        )
    }

    /// The file is to be read again.
    pub(super) fn reload(&mut self, order: Order, mut reply: Option<Reply>, now: Now) {
        if self.is_reading_late(&mut reply, now) {
            return;
        }
        if self.stage.is_busy() {
            let again = self.reload_again.get_or_insert_default();
            again.order.join(order);
            again.replies.extend(reply);
            return;
        }
        self.reload_replies.extend(reply);
        let text = format!("reading {}", shown(&self.file));
        self.event(EventKind::Reloading, Subject::None, text, now);
        self.begin_load(false, order);
    }

    pub(super) fn begin_load(&mut self, first: bool, order: Order) {
        self.keeping.file_begins();
        self.stage = Stage::Loading { order };
        self.stalls.begin();
        self.out.read = Some(ReadOrder { first, order });
    }

    /// The worker has read it.
    pub(super) fn loaded(&mut self, loaded: Result<Box<Loaded>, String>, now: Now) {
        if self.came_late(now) {
            return;
        }
        let Stage::Loading { order } = self.stage else {
            return;
        };
        match loaded {
            Err(why) => self.reject(&why, now),
            Ok(mut loaded) => {
                match loaded.first.take() {
                    Some(first) => self.adopt(*first, &loaded, now),
                    None => self.reloads += 1,
                }
                // Adopted as at the start: as it is, until its checks say otherwise.
                for (key, there) in std::mem::take(&mut loaded.found) {
                    let there = Arc::new(there);
                    self.picture.entry(key).or_insert(there);
                }
                self.stage = Stage::Overlaying {
                    loaded,
                    order,
                    next: 0,
                    wanted: Vec::new(),
                };
            }
        }
    }

    /// What stands in the kernel when the director starts.
    fn adopt(&mut self, first: First, loaded: &Loaded, now: Now) {
        for text in first.warnings {
            self.event(EventKind::StateDamaged, Subject::None, text, now);
        }
        self.ownership = first.ownership;
        let declared: std::collections::BTreeSet<&ServiceKey> = loaded
            .changed
            .iter()
            .map(|declaration| &declaration.key)
            .collect();
        for (key, there) in first.observed.services {
            if declared.contains(&key) || self.ownership.services.contains_key(&key) {
                self.picture.insert(key, Arc::new(there));
            } else {
                self.foreign.insert(key);
            }
        }
        let quiescent = first.observed.sysctls.get(&Sysctl::ExpireQuiescentTemplate);
        self.quiescent = quiescent.is_some_and(|value| value != "0");
    }

    /// Does a slice of a stage.
    pub(super) fn advance_reload(&mut self, now: Now) {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
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
                        loaded.quiescent(self.quiescent),
                        now,
                    ));
                }
                next = end;
                if next < loaded.changed.len() {
                    self.stage = Stage::Overlaying {
                        loaded,
                        order,
                        next,
                        wanted,
                    };
                    return;
                }
                let removed = self.no_longer_declared(&loaded);
                self.awaited
                    .extend(loaded.changed.iter().map(|one| one.key));
                self.awaited.extend(&removed);
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
                    ownership: self.ownership.clone(),
                    hot: self.hot.clone(),
                    order: Some(order),
                    first: !self.is_ready(),
                    policy: self.is_ready().then_some(self.policy),
                })));
                self.stage = Stage::Transacting {
                    loaded: Some(loaded),
                    order,
                };
            }
            Stage::Absorbing {
                mut loaded,
                mut next,
                done,
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
                    self.absorb(declaration, now);
                }
                next = end;
                if next < loaded.changed.len() {
                    self.stage = Stage::Absorbing { loaded, next, done };
                    return;
                }
                let rest = loaded.removed.len().min(SLICE);
                for key in loaded.removed.drain(..rest) {
                    self.let_go(&key);
                }
                if loaded.removed.is_empty() {
                    self.in_force(done, now);
                } else {
                    self.stage = Stage::Absorbing { loaded, next, done };
                }
            }
            other => self.stage = other,
        }
    }

    /// What a new declaration makes of a service, were it in force.
    fn wanted_then(&self, declaration: &Declaration, quiescent: bool, now: Now) -> DesiredService {
        let service = self.state_of(declaration, now);
        let there = self.picture.get(&declaration.key).map(Arc::as_ref);
        let overlaid = overlay(&Situation {
            service: &service,
            there,
            settings: &self.settings,
            quiescent,
            now: now.boot,
        });
        overlaid.wanted
    }

    /// Services that the new file does not have; at the start also those that an earlier run
    /// owned.
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
        let owned = self.ownership.services.keys();
        let left = owned.filter(|key| !stays(key) && self.picture.contains_key(key));
        let mut removed: Vec<ServiceKey> = left.copied().collect();
        removed.extend(loaded.removed.iter().copied());
        removed.sort_unstable();
        removed.dedup();
        removed
    }

    /// Sets the settings right, as somebody changed them.
    pub(super) fn transact_settings(&mut self) {
        self.stage = Stage::Transacting {
            loaded: None,
            order: Order::default(),
        };
        self.stalls.begin();
        self.out.jobs.push(Job::Transact(Box::new(Transaction {
            wanted: Vec::new(),
            declared: Vec::new(),
            removed: Vec::new(),
            rest: self.rest.clone(),
            ownership: self.ownership.clone(),
            hot: self.hot.clone(),
            order: None,
            first: false,
            policy: None,
        })));
    }

    /// The worker has made the kernel so, or has not.
    pub(super) fn transacted(&mut self, result: Result<Transacted, NotDone>, now: Now) {
        self.hot
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        let Stage::Transacting { loaded, order } = stage else {
            return;
        };
        self.transacted.extend(&self.awaited);
        match (result, loaded) {
            (Err(NotDone::Unkept(why)), Some(_)) if self.is_ready() => {
                self.put_off(&why, order, now);
            }
            (Err(NotDone::Unkept(why) | NotDone::Refused(why)), Some(_)) => self.reject(&why, now),
            // The next reading of the tables finds them as they are, and tries again.
            (Err(NotDone::Unkept(why)), None) => self.is_not_kept(Matter::Ledger, &why, now),
            (Err(NotDone::Refused(why)), None) => {
                self.event(EventKind::KernelRefused, Subject::None, why, now);
            }
            (Ok(done), None) => self.ledger_kept(&done.unkept.map_or(Ok(()), Err), now),
            (Ok(done), Some(loaded)) => {
                for key in &done.keys {
                    self.ownership.remove(key);
                }
                self.ownership.merge(done.ownership);
                self.quiescent = loaded.quiescent(self.quiescent);
                self.policy = loaded.rest.policy;
                self.rest = loaded.rest.clone();
                self.run = loaded.run.clone();
                self.ledger_kept(&done.unkept.clone().map_or(Ok(()), Err), now);
                self.stage = Stage::Absorbing {
                    loaded,
                    next: 0,
                    done: Carried {
                        steps: done.steps,
                        unkept: done.unkept,
                    },
                };
            }
        }
        self.again(now);
    }

    /// The new file is not taken: the old one stays in force.
    pub(super) fn reject(&mut self, why: &str, now: Now) {
        self.stage = Stage::Idle;
        self.is_kept(Matter::File, now);
        let stays = if self.is_ready() {
            self.look_at_awaited();
            "; keeping the previous configuration"
        } else {
            // The director ends. What the last run left is not its to settle.
            self.awaited.clear();
            ""
        };
        let text = format!("{}{stays}\n{why}", name(&self.file));
        self.event(EventKind::Rejected, Subject::None, text, now);
        self.show.rejected = Some(Arc::from(why));
        self.show.touch();
        let refusal = Refusal {
            kind: RefusalKind::Refused,
            message: why.to_owned(),
        };
        for reply in self.reload_replies.drain(..) {
            reply(Err(refusal.clone()));
        }
        self.again(now);
    }

    fn in_force(&mut self, done: Carried, now: Now) {
        let Carried { steps, unkept } = done;
        self.is_kept(Matter::File, now);
        self.look_at_awaited();
        self.forget_stale(now);
        let services = &self.services;
        self.causes.retain(|key| services.contains_key(key));
        let servers = services.values().flat_map(|service| service.servers.keys());
        let addresses: HashSet<_> = servers.map(|server| server.address).collect();
        self.addresses = addresses.len();
        self.show.loaded = Some(now.boot);
        self.show.rejected = None;
        self.show.touch();
        let text = format!(
            "in force: {}, {}; {} made",
            count(self.services.len(), "service", "services"),
            count(self.targets.len(), "check", "checks"),
            count(steps, "change", "changes"),
        );
        self.event(EventKind::Loaded, Subject::None, text.clone(), now);
        self.out.jobs.push(Job::Advise);
        for reply in self.reload_replies.drain(..) {
            let mut answer = Answer::done(vec![text.clone()]);
            answer.not_kept.clone_from(&unkept);
            reply(Ok(answer));
        }
        self.next_reading = self.next_reading.min(now.boot.after(self.period()));
        self.again(now);
    }

    /// No transaction is about them any more.
    pub(super) fn look_at_awaited(&mut self) {
        self.work.dirty.append(&mut self.awaited);
    }

    /// The file changed again while it was being read.
    fn again(&mut self, now: Now) {
        if !self.stage.is_busy()
            && let Some(again) = self.reload_again.take()
        {
            self.reload_replies.extend(again.replies);
            self.reload(again.order, None, now);
        }
    }
}

fn name(path: &Path) -> String {
    format!("{} rejected", shown(path))
}
