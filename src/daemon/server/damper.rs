//! A server whose verdict changes too often is held out for a while, each time for longer.

use std::collections::VecDeque;
use std::time::Duration;

use crate::state::BootTime;
use crate::state::health::Damping;

/// Counts changes of a verdict, and holds a server out when there are too many.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Damper {
    changes: VecDeque<BootTime>,
    hold: Option<Hold>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    until: BootTime,
    length: Duration,
    /// It is not over, or that has not been noticed.
    running: bool,
}

impl Damper {
    /// Notes a change; it may be the one that is too many.
    pub(in crate::daemon) fn change(&mut self, damping: &Damping, now: BootTime) {
        if self.is_holding(now) {
            return;
        }
        self.changes.push_back(now);
        let recent = |change: &BootTime| change.after(damping.within) >= now;
        while self.changes.front().is_some_and(|change| !recent(change)) {
            self.changes.pop_front();
        }
        if self.changes.len() <= usize::try_from(damping.changes).unwrap_or(usize::MAX) {
            return;
        }
        self.changes.clear();
        let again = self
            .hold
            .filter(|hold| hold.until.after(damping.within) >= now);
        let length = again.map_or(damping.hold, |hold| hold.length.saturating_mul(2));
        let length = length.min(damping.max_hold);
        self.hold = Some(Hold {
            until: now.after(length),
            length,
            running: true,
        });
    }

    /// Whether the server is held out.
    pub(in crate::daemon) fn is_holding(&self, now: BootTime) -> bool {
        self.until(now).is_some()
    }

    /// Until when it is held out.
    pub(in crate::daemon) fn until(&self, now: BootTime) -> Option<BootTime> {
        self.hold
            .map(|hold| hold.until)
            .filter(|until| now < *until)
    }

    /// Whether a hold has ended since this was asked last.
    pub(super) fn release(&mut self, now: BootTime) -> bool {
        let Some(hold) = self.hold.as_mut().filter(|hold| hold.running) else {
            return false;
        };
        hold.running = now < hold.until;
        !hold.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAMPING: Damping = Damping {
        changes: 3,
        within: Duration::from_secs(60),
        hold: Duration::from_secs(30),
        max_hold: Duration::from_secs(100),
    };

    fn at(seconds: u64) -> BootTime {
        BootTime(Duration::from_secs(seconds))
    }

    #[test]
    fn the_fourth_change_in_a_minute_holds_and_the_hold_doubles() {
        let mut damper = Damper::default();
        for second in [0, 10, 20] {
            damper.change(&DAMPING, at(second));
            assert!(!damper.is_holding(at(second)));
        }
        damper.change(&DAMPING, at(30));
        assert_eq!(damper.until(at(30)), Some(at(60)));
        assert!(!damper.release(at(59)) && damper.release(at(60)) && !damper.release(at(61)));
        for second in [61, 62, 63, 64] {
            damper.change(&DAMPING, at(second));
        }
        assert_eq!(damper.until(at(64)), Some(at(124)));
        for second in [130, 131, 132, 133] {
            damper.change(&DAMPING, at(second));
        }
        assert_eq!(
            damper.until(at(133)),
            Some(at(233)),
            "no longer than max_hold"
        );
    }

    #[test]
    fn changes_far_apart_are_no_flapping_and_quiet_resets_the_hold() {
        let mut damper = Damper::default();
        for second in (0..1000).step_by(25) {
            damper.change(&DAMPING, at(second));
            assert!(!damper.is_holding(at(second)), "at {second}");
        }
        for second in [2000, 2001, 2002, 2003] {
            damper.change(&DAMPING, at(second));
        }
        assert_eq!(damper.until(at(2003)), Some(at(2033)));
        for second in [3000, 3001, 3002, 3003] {
            damper.change(&DAMPING, at(second));
        }
        assert_eq!(
            damper.until(at(3003)),
            Some(at(3033)),
            "thirty seconds again"
        );
    }

    proptest! {
        /// Whatever a server does, the tables see it join and leave at most a bounded number of
        /// times: `changes + 1` for every hold.
        #[test]
        fn the_kernel_sees_few_changes(gaps in prop::collection::vec(0u64..20, 1..300)) {
            let (mut damper, mut now, mut up, mut shown) = (Damper::default(), 0, true, true);
            let mut writes = Vec::new();
            for gap in gaps {
                now += gap;
                up = !up;
                damper.change(&DAMPING, at(now));
                let visible = up && !damper.is_holding(at(now));
                if visible != shown {
                    shown = visible;
                    writes.push(now);
                }
            }
            for window in writes.windows(6) {
                prop_assert!(window[5] - window[0] >= 30, "six writes within a hold: {window:?}");
            }
        }
    }
}
