//! Yields and claims of failover sections: who set them, on disk, and for the next process.

use std::sync::Arc;

use super::Core;
use crate::control::Now;
use crate::control::failover::{FailoverHold, FailoverStatus};
use crate::control::operator::{HoldSetting, Setting};
use crate::failover::{Command, Restored};
use crate::state::failover::Failovers;

impl Core {
    /// What an operator set, if it is what the section does.
    pub(super) fn set_for(&self, status: &FailoverStatus) -> Option<Setting<FailoverHold>> {
        let hold = self.settings.holds.get(&*status.name)?;
        (status.hold == Some(hold.set.value)).then(|| hold.set.clone())
    }

    /// Notes what an operator wants of a section. The caller puts it on disk.
    pub(super) fn operated(
        &mut self,
        name: &Arc<str>,
        set: Option<Setting<FailoverHold>>,
        until_restart: bool,
    ) {
        match set {
            Some(set) => {
                let hold = HoldSetting {
                    set,
                    priority: None,
                    until_restart,
                };
                self.settings.holds.insert(name.to_string(), hold);
            }
            None => {
                self.settings.holds.remove(&**name);
            }
        }
        self.show_holds();
    }

    /// Puts what operators set into what is shown.
    pub(super) fn show_holds(&mut self) {
        let names: Vec<Arc<str>> = self.failover.shown.keys().map(Arc::clone).collect();
        for name in names {
            let Some(status) = self.failover.shown.get(&name) else {
                continue;
            };
            let set = self.set_for(status);
            if status.set != set {
                let mut status = FailoverStatus::clone(status);
                status.set = set;
                self.failover.shown.insert(name, Arc::new(status));
            }
        }
    }

    /// A section reports what it does: a hold may have ended, or a claim been raised.
    pub(super) fn hold_reported(&mut self, status: &FailoverStatus, now: Now) {
        let Some(hold) = self.settings.holds.get_mut(&*status.name) else {
            return;
        };
        let before = self.failover.shown.get(&status.name);
        let ended = before.and_then(|before| before.hold);
        // A request that came since then is on its way to the runtime.
        if status.hold.is_none() && ended == Some(hold.set.value) {
            self.settings.holds.remove(&*status.name);
            self.keep(now);
        } else if status.hold == Some(FailoverHold::Claimed)
            && hold.set.value == FailoverHold::Claimed
            && hold.priority != Some(status.priority)
        {
            hold.priority = Some(status.priority);
            self.keep(now);
        }
    }

    /// At the start: gives the runtime what operators set before.
    pub(super) fn restore_holds(&mut self, declared: &Failovers, now: Now) {
        self.settings
            .holds
            .retain(|_, hold| !hold.set.is_over(now.boot));
        for (name, hold) in &self.settings.holds {
            let Some(section) = declared.get(name) else {
                continue;
            };
            let until = hold.set.ends.map(|ends| ends.0);
            let restored = match hold.set.value {
                FailoverHold::Yielded => Restored::Yield { until },
                FailoverHold::Claimed => Restored::Claim {
                    priority: hold.priority.unwrap_or(section.priority.0),
                    until,
                },
            };
            let section = Arc::clone(&section.name);
            self.out
                .failover
                .push(Command::Restore { section, restored });
        }
    }
}
