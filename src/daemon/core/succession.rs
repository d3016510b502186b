//! The first file of a process, compared with that of the process before it: it may have been edited
//! while director was stopped, so that the other directors do not understand this one.
//!
//! A start is not refused, as a reload is: the services are needed, and after a change on all
//! directors a refusal everywhere would be an outage. Instead such a section is careful.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::saved::{restore, save};
use crate::failover::Command;
use crate::state::failover::{Change, Effect, Failovers, changes};

/// Beyond the time after which a backup with the old file claims.
const MARGIN: Duration = Duration::from_secs(1);

impl Core {
    /// What the file says that the last process did not know. Sections that would not be
    /// understood are told to be careful, unless `force`.
    pub(super) fn since_the_last_process(
        &mut self,
        file: &Failovers,
        force: bool,
        now: Now,
    ) -> Vec<Change> {
        if self.settings.sections.is_empty() {
            return Vec::new();
        }
        let before = restore(&self.settings.sections, file);
        let (splits, rest): (Vec<Change>, Vec<Change>) = changes(&before, file)
            .into_iter()
            .partition(|change| change.effect == Effect::Splits);
        let mut careful = BTreeSet::new();
        for change in &splits {
            let text = format!(
                "while director was stopped: {change}; {}",
                consequence(force)
            );
            self.event(EventKind::FailoverPeer, Subject::None, text, now);
            careful.insert(change.section.clone());
        }
        for section in file.failovers.iter().filter(|_| !force) {
            if !careful.contains(&format!("failover.{}", section.name)) {
                continue;
            }
            let old = before.get(&section.name);
            let routers = old.into_iter().flat_map(|old| &old.routers);
            let longest = routers.map(|router| router.interval.duration()).max();
            let time = longest.unwrap_or_default().max(Duration::from_secs(1)) * 4 + MARGIN;
            self.out.failover.push(Command::Careful {
                section: Arc::clone(&section.name),
                time,
            });
        }
        let moves = rest.into_iter();
        moves
            .filter(|change| change.effect == Effect::Moves)
            .collect()
    }

    /// Keeps the sections of the file in force for the next process.
    pub(super) fn keep_sections(&mut self, declared: &Failovers, now: Now) {
        let sections = save(declared);
        let holds = self.settings.holds.len();
        self.settings
            .holds
            .retain(|name, _| declared.get(name).is_some());
        if self.settings.sections != sections || holds != self.settings.holds.len() {
            self.settings.sections = sections;
            self.keep(now);
        }
    }
}

const fn consequence(force: bool) -> &'static str {
    if force {
        "claims as usual, because of --force"
    } else {
        "first listens for directors with the old file, and claims nothing while one of them \
         advertises its addresses"
    }
}
