//! What the worker saw when it compared the kernel with the believed tables.

use ipvs::{ServerKey, ServiceKey};

use super::Core;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::daemon::messages::{Done, Job, Reading};
use crate::daemon::tables::Tables;
use crate::plan::{Beside, Situation, diff};
use crate::state::{Foreign, Observed, ObservedService, Ownership};

/// The most differences named in one log line.
const NAMED: usize = 4;

impl Core {
    /// Requests a reading of the tables when it is due.
    pub(super) fn begin_reading(&mut self, now: Now) {
        let due = self.believed.next_reading();
        let is_due = due.is_some_and(|due| due <= now.boot);
        if !is_due || self.reloading.is_busy() || !self.is_ready() {
            return;
        }
        self.look_at_state();
        self.show.reading_began = now.boot;
        let read = self.believed.begin_reading(self.run.clone());
        self.out.jobs.push(Job::Read(read));
    }

    /// Handles the worker's result.
    pub(super) fn done(&mut self, done: Done, tables: &mut dyn Tables, now: Now) {
        match done {
            Done::Loaded(loaded) => self.loaded(loaded, now),
            Done::Transacted(result) => self.transacted(result, now),
            Done::Kept(result) => self.ledger_kept(&result, now),
            Done::Read(Ok(reading)) => self.read(reading, tables, now),
            Done::Read(Err(error)) => {
                self.believed.end_reading(now.boot.after(self.period()));
                self.event(EventKind::KernelRefused, Subject::None, error, now);
            }
        }
    }

    fn read(&mut self, reading: Reading, _tables: &mut dyn Tables, now: Now) {
        self.believed.end_reading(now.boot.after(self.period()));
        let meters = self.show.meters();
        meters.reconciles.add(1);
        meters
            .reconcile_time
            .add(self.show.reading_began.until(now.boot));
        let mut clean = true;
        for key in reading.suspects {
            // The reading may or may not show writes made in the meantime.
            if !self.believed.is_written_since(&key, reading.began) {
                self.work.dirty.insert(key);
                clean = false;
            }
        }
        // A declared service that is not believed to exist cannot look different.
        let missing = self
            .services
            .keys()
            .filter(|key| !self.believed.contains(key));
        self.work
            .dirty
            .extend(missing.chain(self.believed.refused()));
        if self.repairs() {
            // They were left while another policy was in force.
            self.work.dirty.extend(self.drifted.services());
        }
        self.believed.forget_writes(reading.began);
        self.take_foreign(reading.unknown, now);
        clean &= self.settings_are_declared(&reading.settings, now);
        clean &= self.drifted.is_empty();
        if clean && self.work.dirty.is_empty() && self.believed.refused().next().is_none() {
            self.show.reconciled = Some(now.boot);
            self.show.touch();
        }
    }

    /// Services in the kernel that are not among the believed ones.
    fn take_foreign(&mut self, unknown: Vec<ServiceKey>, now: Now) {
        let before = std::mem::take(&mut self.believed.foreign);
        for key in unknown {
            let is_ours = self.is_ours(&key);
            if is_ours {
                self.work.dirty.insert(key);
                continue;
            }
            if self.rest.policy.foreign == Foreign::Remove {
                self.holdings.claim(key);
                self.work.dirty.insert(key);
                let text = "not declared: removed, as policy.foreign says".to_owned();
                self.event(EventKind::Foreign, Subject::Service(key), text, now);
                continue;
            }
            if !before.contains(&key) {
                let text = "in the kernel but not declared: left alone".to_owned();
                self.event(EventKind::Foreign, Subject::Service(key), text, now);
            }
            self.believed.foreign.insert(key);
        }
        if self.believed.foreign != before {
            self.show.touch();
        }
    }

    /// Whether sysctls, timeouts and sync daemons are as declared; repairs them if not.
    fn settings_are_declared(&mut self, observed: &Observed, now: Now) -> bool {
        let plan = diff(&Situation {
            desired: &self.rest,
            observed,
            ownership: &Ownership::default(),
            now: now.boot,
            beside: Beside::default(),
        });
        let mut is_news = self.drifted.lacks(&plan.lacking);
        if plan.is_empty() {
            is_news |= self.drifted.settings(None);
            if is_news {
                self.show.touch();
            }
            return true;
        }
        let steps: Vec<String> = plan
            .steps
            .iter()
            .map(|step| step.change.to_string())
            .collect();
        let verb = if self.repairs() {
            "set right"
        } else {
            "left, as policy.drift says"
        };
        let text = format!(
            "another program changed the settings; {verb}: {}",
            steps.join(", ")
        );
        if self.repairs() {
            self.event(EventKind::Drift, Subject::None, text, now);
            if !self.reloading.is_busy() {
                self.show.meters().repairs.add(1);
                self.transact_settings();
            }
        } else if self.drifted.settings(Some(steps.join(", "))) {
            self.event(EventKind::Drift, Subject::None, text, now);
            is_news = true;
        }
        if is_news {
            self.show.touch();
        }
        false
    }

    /// Reports changes to a service by other programs; returns whether there were any.
    pub(super) fn drift(
        &mut self,
        key: &ServiceKey,
        before: Option<&ObservedService>,
        there: Option<&ObservedService>,
        now: Now,
    ) -> bool {
        // What a failed attempt left is not drift, and an unknown state cannot have changed. But an
        // attempt that failed because the table was another one has found drift.
        let (Some(before), false) = (before, self.believed.is_unsure(key)) else {
            return false;
        };
        let mut changes = differences(before, there);
        if changes.is_empty() {
            return false;
        }
        let more = changes.len().saturating_sub(NAMED);
        changes.truncate(NAMED);
        let more = if more > 0 {
            format!(", and {more} more")
        } else {
            String::new()
        };
        let verb = if self.repairs() {
            "set right"
        } else {
            "left, as policy.drift says"
        };
        let text = format!(
            "another program changed it; {verb}: {}{more}",
            changes.join(", ")
        );
        self.event(EventKind::Drift, Subject::Service(*key), text, now);
        if self.repairs() {
            self.show.meters().repairs.add(1);
        }
        true
    }
}

/// The differences, for people.
pub(super) fn differences(
    before: &ObservedService,
    there: Option<&ObservedService>,
) -> Vec<String> {
    let Some(there) = there else {
        return vec!["the service is gone".to_owned()];
    };
    let mut changes = Vec::new();
    if before.service != there.service {
        changes.push("its configuration".to_owned());
    }
    for (server, entry) in &before.servers {
        match there.servers.get(server) {
            None => changes.push(format!("{server} is gone")),
            Some(now) if now.server.weight != entry.server.weight => changes.push(format!(
                "weight of {server} {} instead of {}",
                now.server.weight.get(),
                entry.server.weight.get()
            )),
            Some(now) if now.server != entry.server => {
                changes.push(format!("configuration of {server}"));
            }
            Some(_) => {}
        }
    }
    let new = |server: &&ServerKey| !before.servers.contains_key(server);
    for server in there.servers.keys().filter(new) {
        changes.push(format!("{server} was added"));
    }
    changes
}
