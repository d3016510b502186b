//! Holds out a server whose verdict changes too often, each time for longer.
//!
//! A change that counts may turn out later not to, if others changed with it (see
//! [`common`](crate::daemon::common)). A hold therefore remembers the changes that led to it, and
//! is void if too few of them are left.

use std::collections::VecDeque;
use std::time::Duration;

use crate::state::BootTime;
use crate::state::health::Damping;

/// Counts changes of a verdict, and holds a server out if there are too many.
#[derive(Debug, Clone, Default)]
pub(in crate::daemon) struct Damper {
    /// Changes that led to no hold yet; during a hold, those since it began.
    changes: VecDeque<Noted>,
    /// Boxed: few of tens of thousands of servers were ever held.
    hold: Option<Box<Hold>>,
}

/// A change to up or down.
#[derive(Debug, Clone, Copy)]
struct Noted {
    at: BootTime,
    up: bool,
}

#[derive(Debug, Clone)]
struct Hold {
    until: BootTime,
    length: Duration,
    /// Whether it is not over, or its end was not noticed.
    running: bool,
    /// The changes that led to it.
    evidence: VecDeque<Noted>,
    /// The end and the length of the previous hold, which count again if this one is void.
    before: Option<(BootTime, Duration)>,
}

impl Damper {
    /// Records a change, which may be one too many.
    pub(in crate::daemon) fn change(&mut self, up: bool, damping: &Damping, now: BootTime) {
        let is_holding = self.is_holding(now);
        // The end of a hold settles the changes during it.
        if let Some(hold) = self.hold.as_ref().filter(|_| !is_holding) {
            let until = hold.until;
            self.changes.retain(|change| change.at >= until);
        }
        self.changes.push_back(Noted { at: now, up });
        forget_old(&mut self.changes, damping, now);
        if is_holding || self.changes.len() <= most(damping) {
            return;
        }
        let again = self
            .hold
            .as_ref()
            .filter(|hold| hold.until.after(damping.within) >= now);
        let length = again.map_or(damping.hold, |hold| hold.length.saturating_mul(2));
        let length = length.min(damping.max_hold);
        let before = self.hold.take().map(|hold| (hold.until, hold.length));
        self.hold = Some(Box::new(Hold {
            until: now.after(length),
            length,
            running: true,
            evidence: std::mem::take(&mut self.changes),
            before,
        }));
    }

    /// A recorded change does not count because of a common cause, nor does the way back from it;
    /// returns whether a running hold is void without it.
    pub(in crate::daemon) fn excuse(
        &mut self,
        change: BootTime,
        damping: &Damping,
        now: BootTime,
    ) -> bool {
        let Some(mut hold) = self.hold.take() else {
            take(&mut self.changes, change);
            return false;
        };
        let led_to_it = hold.evidence.len();
        // The way back may have been recorded after the hold began.
        hold.evidence.append(&mut self.changes);
        let place = take(&mut hold.evidence, change);
        if place.is_none_or(|place| place >= led_to_it) {
            self.changes = hold.evidence.split_off(led_to_it);
            self.hold = Some(hold);
            return false;
        }
        if let Some(last) = hold.evidence.back().copied() {
            forget_old(&mut hold.evidence, damping, last.at);
        }
        if hold.evidence.len() > most(damping) {
            self.hold = Some(hold);
            return false;
        }
        self.changes = hold.evidence;
        self.hold = hold.before.map(|(until, length)| {
            Box::new(Hold {
                until,
                length,
                running: false,
                evidence: VecDeque::new(),
                before: None,
            })
        });
        now < hold.until
    }

    /// Whether a change counts: recorded, recent, and not excused.
    pub(in crate::daemon) fn counts(&self, change: BootTime) -> bool {
        let evidence = self.hold.iter().flat_map(|hold| &hold.evidence);
        let mut noted = self.changes.iter().chain(evidence);
        noted.any(|noted| noted.at == change)
    }

    /// Forgets everything because damping is off; returns whether a hold was running.
    pub(super) fn cancel(&mut self, now: BootTime) -> bool {
        let held = self.is_holding(now);
        *self = Self::default();
        held
    }

    /// Whether the server is held out.
    pub(in crate::daemon) fn is_holding(&self, now: BootTime) -> bool {
        self.until(now).is_some()
    }

    /// The end of the hold.
    pub(in crate::daemon) fn until(&self, now: BootTime) -> Option<BootTime> {
        self.hold
            .as_ref()
            .map(|hold| hold.until)
            .filter(|until| now < *until)
    }

    /// How bad it is: the length of its hold grows with each one, and the later it began, the later
    /// it ends.
    pub(in crate::daemon) fn severity(&self) -> (Duration, BootTime) {
        let hold = self.hold.as_ref();
        hold.map_or_else(Default::default, |hold| (hold.length, hold.until))
    }

    /// Whether a hold has ended since the last call.
    pub(super) fn release(&mut self, now: BootTime) -> bool {
        let Some(hold) = self.hold.as_mut().filter(|hold| hold.running) else {
            return false;
        };
        hold.running = now < hold.until;
        !hold.running
    }
}

/// Removes a change and the way back from it; returns its index.
fn take(changes: &mut VecDeque<Noted>, change: BootTime) -> Option<usize> {
    let place = changes.iter().position(|noted| noted.at == change)?;
    let taken = changes.remove(place)?;
    if !taken.up && changes.get(place).is_some_and(|next| next.up) {
        changes.remove(place);
    }
    Some(place)
}

/// The most changes without a hold.
fn most(damping: &Damping) -> usize {
    usize::try_from(damping.changes).unwrap_or(usize::MAX)
}

/// Forgets changes that are too old to count, and those beyond what a hold needs.
fn forget_old(changes: &mut VecDeque<Noted>, damping: &Damping, now: BootTime) {
    let enough = most(damping).saturating_add(1);
    let is_old = |change: &Noted| change.at.after(damping.within) < now;
    while changes.len() > enough || changes.front().is_some_and(is_old) {
        changes.pop_front();
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
            damper.change(true, &DAMPING, at(second));
            assert!(!damper.is_holding(at(second)));
        }
        damper.change(true, &DAMPING, at(30));
        assert_eq!(damper.until(at(30)), Some(at(60)));
        assert!(!damper.release(at(59)) && damper.release(at(60)) && !damper.release(at(61)));
        for second in [61, 62, 63, 64] {
            damper.change(true, &DAMPING, at(second));
        }
        assert_eq!(damper.until(at(64)), Some(at(124)));
        for second in [130, 131, 132, 133] {
            damper.change(true, &DAMPING, at(second));
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
            damper.change(true, &DAMPING, at(second));
            assert!(!damper.is_holding(at(second)), "at {second}");
        }
        for second in [2000, 2001, 2002, 2003] {
            damper.change(true, &DAMPING, at(second));
        }
        assert_eq!(damper.until(at(2003)), Some(at(2033)));
        for second in [3000, 3001, 3002, 3003] {
            damper.change(true, &DAMPING, at(second));
        }
        assert_eq!(
            damper.until(at(3003)),
            Some(at(3033)),
            "thirty seconds again"
        );
    }

    #[test]
    fn a_hold_is_void_when_its_changes_had_a_common_cause_and_the_next_one_is_short_again() {
        let mut damper = Damper::default();
        for second in [0, 10, 20, 30] {
            damper.change(true, &DAMPING, at(second));
        }
        assert!(damper.is_holding(at(31)));
        assert!(
            damper.excuse(at(30), &DAMPING, at(31)),
            "three are not too many"
        );
        assert!(!damper.is_holding(at(31)));
        assert!(!damper.excuse(at(30), &DAMPING, at(31)), "once is enough");
        damper.change(true, &DAMPING, at(40));
        assert_eq!(damper.until(at(40)), Some(at(70)), "its own four");
    }

    #[test]
    fn a_hold_stands_when_enough_changes_of_its_own_are_left() {
        let mut damper = Damper::default();
        for second in [0, 10, 20, 30, 35] {
            damper.change(true, &DAMPING, at(second));
        }
        assert!(!damper.excuse(at(10), &DAMPING, at(36)));
        assert_eq!(damper.until(at(36)), Some(at(60)));
        assert!(damper.excuse(at(20), &DAMPING, at(37)));
    }

    #[test]
    fn a_void_hold_does_not_double_the_next_one_and_a_true_one_before_it_does() {
        let mut damper = Damper::default();
        for second in [0, 1, 2, 3, 40, 41, 42, 43] {
            damper.change(true, &DAMPING, at(second));
        }
        assert_eq!(damper.until(at(43)), Some(at(103)), "60 s");
        assert!(damper.excuse(at(40), &DAMPING, at(44)));
        damper.change(true, &DAMPING, at(45));
        assert_eq!(damper.until(at(45)), Some(at(105)), "60 s again, not 100");
    }

    #[test]
    fn the_way_back_from_an_excused_failure_does_not_count_either() {
        let mut damper = Damper::default();
        for (second, up) in [(0, false), (5, true), (10, false), (15, true)] {
            damper.change(up, &DAMPING, at(second));
        }
        damper.change(false, &DAMPING, at(20));
        assert!(damper.excuse(at(10), &DAMPING, at(21)));
        damper.change(true, &DAMPING, at(25));
        assert!(damper.is_holding(at(25)), "0, 5, 20 and 25 are left");
    }

    #[test]
    fn changes_during_a_hold_do_not_count_after_it() {
        let mut damper = Damper::default();
        for second in [0, 1, 2, 3, 10, 20, 25, 29] {
            damper.change(true, &DAMPING, at(second));
        }
        damper.change(true, &DAMPING, at(34));
        assert!(!damper.is_holding(at(34)));
    }

    proptest! {
        /// Whatever a server does, the tables see it join and leave a bounded number of times:
        /// `changes + 1` for every hold.
        #[test]
        fn the_kernel_sees_few_changes(gaps in prop::collection::vec(0u64..20, 1..300)) {
            let (mut damper, mut now, mut up, mut shown) = (Damper::default(), 0, true, true);
            let mut writes = Vec::new();
            for gap in gaps {
                now += gap;
                up = !up;
                damper.change(up, &DAMPING, at(now));
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
