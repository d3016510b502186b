//! The date can be set at any time. Deadlines count from boot and do not move; their dates in the
//! snapshot and on disk follow.

use std::time::{Duration, SystemTime};

use super::Core;
use crate::control::Now;
use crate::control::operator::Setting;

/// Smaller steps come from a clock that is being adjusted.
const STEP: Duration = Duration::from_secs(1);

impl Core {
    /// Updates and stores dates after the date was set.
    pub(super) fn date_was_set(&mut self, now: Now) {
        let epoch = now.wall.checked_sub(now.boot.0);
        if !is_step(self.epoch, epoch) {
            return;
        }
        self.epoch = epoch;
        for set in self.settings.servers.values_mut() {
            show(set.drain.as_mut(), now);
            show(set.weight.as_mut(), now);
        }
        let settings = &mut self.settings;
        let others = settings.disabled.values_mut();
        for set in others.chain(settings.withdrawn.values_mut()) {
            show(Some(set), now);
        }
        for hold in self.settings.holds.values_mut() {
            show(Some(&mut hold.set), now);
        }
        self.show_holds();
        if self.settings.has_deadlines() {
            // After a reboot, only the date is left of them.
            self.keep(now);
        }
        self.work.unseen.extend(self.show.parts.keys());
        self.show.touch();
    }
}

fn is_step(before: Option<SystemTime>, after: Option<SystemTime>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            let ahead = after.duration_since(before);
            ahead.unwrap_or_else(|behind| behind.duration()) > STEP
        }
        (before, after) => before != after,
    }
}

fn show<T>(set: Option<&mut Setting<T>>, now: Now) {
    if let Some(set) = set {
        set.until = set.ends.map(|ends| now.calendar(ends));
    }
}
