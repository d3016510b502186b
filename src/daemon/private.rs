//! The private services of checks through the forwarding path, managed by the worker.
//!
//! ```text
//!   core ── targets start, stop ──► Private ── operations ──► kernel
//!                                      └──── passages ─────► checks, once the kernel has done it
//! ```
//!
//! - **A way is open only while its private service exists**: without it, packets would go to any
//!   server of the ordinary service. Until then its checks are not carried out.
//! - **They are verified with every reading of the tables**: deleted ones are restored, and those
//!   of a killed director are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipvs::transport::Transport;
use ipvs::{Operation, Server, ServiceKey};

use super::messages::Changes;
use super::tables::Tables;
use crate::apply::{Kernel, Platform, PlatformError};
use crate::check::through::{
    AcceptLocal, Door, InterfaceReport, Passages, Through, Wish, lifetime,
};
use crate::check::{Target, TargetId};
use crate::state::health::{MarkRange, RunSettings};
use crate::state::{ObservedService, is_private};

pub(super) struct Private {
    through: Through,
    accept: AcceptLocal,
    targets: BTreeMap<TargetId, Arc<Target>>,
    run: RunSettings,
    /// Those created here or taken over, in whatever range.
    own: BTreeSet<ServiceKey>,
    /// What was already logged.
    said: BTreeSet<String>,
}

impl Private {
    pub(super) fn new(passages: Arc<Passages>) -> Self {
        let run = RunSettings::default();
        Self {
            through: Through::new(&run, passages),
            accept: AcceptLocal::default(),
            targets: BTreeMap::new(),
            run,
            own: BTreeSet::new(),
            said: BTreeSet::new(),
        }
    }

    /// Changes marks or ports.
    pub(super) fn configure(&mut self, run: &RunSettings) {
        if (self.run.marks, self.run.ports) != (run.marks, run.ports) {
            self.through.configure(run);
        }
        self.run = run.clone();
    }

    /// Handles changes of targets. Returns whether any of them goes through the forwarding path.
    pub(super) fn change(&mut self, changes: Changes) -> bool {
        let mut any = !changes.started.is_empty();
        for id in &changes.stopped {
            any |= self.targets.remove(id).is_some();
        }
        self.targets.extend(changes.started);
        any
    }

    /// Whether a service is private.
    pub(super) fn is_private(&self, key: &ServiceKey) -> bool {
        is_private(key, &self.run.marks)
            || is_private(key, &MarkRange::DEFAULT)
            || self.own.contains(key)
    }

    /// Makes the kernel's private services match the targets. `there` are the existing ones, as far
    /// as they were just listed.
    pub(super) fn settle<T: Transport>(
        &mut self,
        kernel: &mut Kernel<T>,
        there: &[ServiceKey],
        declared: impl Fn(&Target) -> Option<Server>,
    ) -> Result<(), PlatformError> {
        if self.targets.is_empty() && there.is_empty() {
            return Ok(());
        }
        let there = self.read(kernel, there)?;
        self.own.extend(there.keys());
        let wishes = self.wishes(declared);
        let lifetime = lifetime(&kernel.client().timeouts()?);
        let outcome = self.through.wanted(&wishes, &there, lifetime, kernel.now());
        for (door, why) in &outcome.refused {
            let text = format!("{} is not checked at {}: {why}", door.server, door.to);
            self.say(&text);
        }
        let report = kernel.execute(&outcome.operations);
        for (index, operation) in outcome.operations.iter().enumerate() {
            if let Operation::AddService(service) = operation {
                self.own.insert(service.key);
            }
            if let Some(error) = report.error(index) {
                self.say(&format!("checks through the forwarding path: {error}"));
            }
        }
        if report.failures().is_empty() {
            self.through.open(kernel.now());
            self.let_answers_in();
        }
        Ok(())
    }

    /// The director stops: removes all private services.
    pub(super) fn close<T: Transport>(&mut self, kernel: &mut Kernel<T>) {
        self.accept.restore();
        let own = std::mem::take(&mut self.own);
        let operations: Vec<_> = own.into_iter().map(Operation::DeleteService).collect();
        for failure in kernel.execute(&operations).failures() {
            if !failure.error.is_stale_view() {
                tracing::warn!("cannot remove a private service: {}", failure.error);
            }
        }
    }

    fn read<T: Transport>(
        &self,
        kernel: &mut Kernel<T>,
        there: &[ServiceKey],
    ) -> Result<BTreeMap<ServiceKey, ObservedService>, PlatformError> {
        let mut found = BTreeMap::new();
        for key in there {
            if let Some(service) = Tables::service(kernel.client(), key)? {
                found.insert(*key, service);
            }
        }
        let own = &self.own;
        found.retain(|key, service| own.contains(key) || service.looks_private());
        Ok(found)
    }

    fn wishes(&mut self, declared: impl Fn(&Target) -> Option<Server>) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let mut refused = Vec::new();
        for target in self.targets.values() {
            // A target whose service is gone will be stopped.
            let Some(server) = declared(target) else {
                continue;
            };
            match Wish::of(target, &server) {
                Ok(wish) => wishes.push(wish),
                Err(why) => refused.push(format!("{}: {why}", target.server.0)),
            }
        }
        for text in refused {
            self.say(&text);
        }
        wishes
    }

    fn let_answers_in(&mut self) {
        let doors: Vec<Door> = self.through.passages().doors();
        for report in self.accept.prepare(doors) {
            match report {
                InterfaceReport::Set { .. } => tracing::info!("{report}"),
                _ => self.say(&report.to_string()),
            }
        }
    }

    /// Logs a text once.
    fn say(&mut self, text: &str) {
        if self.said.insert(text.to_owned()) {
            tracing::warn!("{text}");
        }
    }
}
