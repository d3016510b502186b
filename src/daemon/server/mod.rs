//! One server of a service, as the daemon sees it over time. Pure: every function is given the
//! time.
//!
//! ```text
//!   verdicts of its checks ─► combined ─► Damper ─► well?
//!   its agent ─────────────► Stepper ─► percent of its weight ┐
//!   coming back ───────────► Ramp ────► part of its weight ───┴─► weight
//! ```

mod damper;
mod ramp;
mod stepper;

use std::sync::{Arc, LazyLock};

pub(super) use damper::Damper;
pub(super) use ramp::{Progress, Ramp};
pub(super) use stepper::Stepper;

use super::targets::{CheckState, Targets};
use crate::check::{Admin, TargetId, Verdict};
use crate::control::Now;
use crate::state::BootTime;
use crate::state::health::{Combine, ServiceWatch};

/// Counts the files that were put in force; the one that the director started with is 0.
pub(super) type Reload = u64;

/// What is known of a server of a service.
#[derive(Debug, Clone)]
pub(super) struct ServerState {
    /// Its checks.
    pub(super) checks: Box<[TargetId]>,
    /// The verdict of all its checks together.
    pub(super) verdict: Verdict,
    /// While the verdict is open: whether it is in.
    pub(super) in_while_open: bool,
    /// Which reload added it to a service that was there, as long as it has not been up: what that
    /// reload took away waits for it.
    pub(super) successor: Option<Reload>,
    /// It has served clients: where too few servers are left, it may do so again.
    pub(super) was_in: bool,
    /// Since when the verdict stands.
    pub(super) since: BootTime,
    /// What the check said that changed the verdict.
    pub(super) reason: Arc<str>,
    /// Its weight grows until this is over.
    pub(super) ramp: Option<Box<Ramp>>,
    /// Counts its changes.
    pub(super) damper: Damper,
    /// What a hold came to when its service was last settled.
    pub(super) hold: Held,
    /// When it went down last.
    pub(super) failed: BootTime,
    /// Its failure had a cause elsewhere: its way back says nothing about it either.
    pub(super) excused: bool,
    /// What its agents say of its use: the strictest.
    pub(super) admin: Admin,
    /// The lowest weight that its checks ask for, in percent.
    pub(super) asked_percent: u16,
    /// Its dynamic weight.
    pub(super) stepper: Stepper,
}

/// What becomes of a server that is well but changed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Held {
    /// It is not held.
    #[default]
    No,
    /// It is held out.
    Out,
    /// It serves all the same, as too few others are up.
    KeptIn,
}

/// The reason of all servers that were not checked yet: one text for all of them.
pub(super) fn not_checked_yet() -> Arc<str> {
    static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("not checked yet"));
    Arc::clone(&TEXT)
}

/// The same of those that are in meanwhile.
pub(super) fn in_and_not_checked_yet() -> Arc<str> {
    static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("in, and not checked yet"));
    Arc::clone(&TEXT)
}

/// What a new verdict of one check means for its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing: the others decide.
    None,
    /// It is well now.
    Up,
    /// It is well, but changed too often and is held.
    HeldUp,
    /// It is not well now.
    Down,
}

impl ServerState {
    /// A server before its first verdict.
    pub(super) fn new(now: Now) -> Self {
        Self {
            checks: Box::default(),
            verdict: Verdict::Open,
            in_while_open: false,
            successor: None,
            was_in: false,
            since: now.boot,
            reason: not_checked_yet(),
            ramp: None,
            damper: Damper::default(),
            hold: Held::No,
            failed: BootTime::default(),
            excused: false,
            admin: Admin::Ready,
            asked_percent: Stepper::FULL,
            stepper: Stepper::default(),
        }
    }

    /// Whether it should serve, as far as its checks go.
    pub(super) fn is_well(&self, now: BootTime) -> bool {
        match self.verdict {
            Verdict::Up => !self.damper.is_holding(now),
            Verdict::Down => false,
            Verdict::Open => self.in_while_open,
        }
    }

    /// One of its checks has another verdict. `cut_off`: this machine had no way to it.
    pub(super) fn judge(
        &mut self,
        targets: &Targets,
        cut_off: bool,
        watch: &ServiceWatch,
        now: Now,
    ) -> Change {
        let before = self.verdict;
        let change = self.combine(targets, watch, now);
        let up = match change {
            Change::None => return change,
            Change::Up | Change::HeldUp => true,
            Change::Down => false,
        };
        let excused = cut_off || std::mem::take(&mut self.excused);
        if !up {
            (self.failed, self.excused) = (now.boot, excused);
        }
        // The first verdict of all confirms what was found, or is news; it is no flapping.
        if before != Verdict::Open
            && !excused
            && let Some(damping) = &watch.damping
        {
            self.damper.change(up, damping, now.boot);
        }
        if change == Change::Up && self.damper.is_holding(now.boot) {
            return Change::HeldUp;
        }
        change
    }

    /// While some of its checks are judged and others are not, that is the reason for waiting.
    fn tell_how_far(&mut self, targets: &Targets) {
        let all = self.checks.len();
        let of = |verdict| {
            let checks = targets.states(&self.checks);
            checks.filter(|check| check.verdict == verdict).count()
        };
        if self.verdict != Verdict::Open || of(Verdict::Open) == all {
            return;
        }
        let passed = of(Verdict::Up);
        let place = if self.in_while_open { "in, and " } else { "" };
        self.reason = format!("{place}{passed} of {all} checks passed").into();
    }

    /// Makes one verdict of those of its checks.
    pub(super) fn combine(&mut self, targets: &Targets, watch: &ServiceWatch, now: Now) -> Change {
        let before = self.verdict;
        let verdict = combined(targets.states(&self.checks), watch.combine);
        if verdict == before || verdict == Verdict::Open {
            self.tell_how_far(targets);
            return Change::None;
        }
        let was_in = self.is_well(now.boot);
        self.verdict = verdict;
        self.since = now.boot;
        let mut checks = targets.states(&self.checks);
        let reason = checks.find(|check| check.verdict == verdict);
        if let Some(reason) = reason.map(|check| check.reason.clone()) {
            self.reason = reason;
        }
        match verdict {
            Verdict::Up => {
                (self.successor, self.was_in) = (None, true);
                if !was_in {
                    self.ramp = Ramp::begin(watch.slow_start, now.boot).map(Box::new);
                }
                Change::Up
            }
            _ => {
                self.ramp = None;
                // What a director misses when it starts may be new, or may have been dead for
                // long: one that is found dead replaces nothing.
                if self.successor == Some(0) {
                    self.successor = None;
                }
                Change::Down
            }
        }
    }

    /// Takes in what its checks say beside their verdicts.
    pub(super) fn take_advice(&mut self, targets: &Targets) {
        let advice = targets.states(&self.checks).map(|check| check.advice);
        let asked = advice.clone().filter_map(|advice| advice.weight).min();
        self.asked_percent = asked.unwrap_or(Stepper::FULL);
        let says = |admin| advice.clone().any(|advice| advice.admin == admin);
        self.admin = if says(Admin::Maint) {
            Admin::Maint
        } else if says(Admin::Drain) {
            Admin::Drain
        } else {
            Admin::Ready
        };
    }

    /// A change does not count, as it had a common cause with others; whether it is held no longer.
    pub(super) fn excuse(&mut self, change: BootTime, watch: &ServiceWatch, now: BootTime) -> bool {
        let Some(damping) = &watch.damping else {
            return false;
        };
        self.excused |= self.verdict == Verdict::Down && self.failed == change;
        let ended = self.damper.excuse(change, damping, now);
        if ended {
            self.come_back(watch, now);
        }
        ended
    }

    /// Lets time pass: a hold that ends starts the way back; whether one ended.
    pub(super) fn elapse(&mut self, watch: &ServiceWatch, now: BootTime) -> bool {
        let ended = match watch.damping {
            Some(_) => self.damper.release(now),
            None => self.damper.cancel(now),
        };
        if ended {
            self.come_back(watch, now);
        }
        ended
    }

    /// A hold has ended. A server that served all the while is where it should be.
    fn come_back(&mut self, watch: &ServiceWatch, now: BootTime) {
        if self.verdict == Verdict::Up && self.hold == Held::Out {
            self.ramp = Ramp::begin(watch.slow_start, now).map(Box::new);
        }
    }
}

fn combined<'c>(checks: impl Iterator<Item = &'c CheckState> + Clone, combine: Combine) -> Verdict {
    let any = |verdict| checks.clone().any(|check| check.verdict == verdict);
    let (decisive, other) = match combine {
        Combine::All => (Verdict::Down, Verdict::Up),
        Combine::Any => (Verdict::Up, Verdict::Down),
    };
    if checks.clone().next().is_none() {
        Verdict::Up
    } else if any(decisive) {
        decisive
    } else if any(Verdict::Open) {
        Verdict::Open
    } else {
        other
    }
}
