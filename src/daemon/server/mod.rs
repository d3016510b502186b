//! One server of a service over time. Pure: time is an argument of every function.
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

use super::targets::{Targets, not_checked_yet};
use crate::check::{Admin, TargetId, Verdict};
use crate::control::Now;
use crate::state::BootTime;
use crate::state::health::{Combine, ServiceWatch};

/// The number of files put in force; the first one is 0.
pub(super) type Reload = u64;

/// The state of a server of a service.
#[derive(Debug, Clone)]
pub(super) struct ServerState {
    /// Its checks.
    pub(super) checks: Box<[TargetId]>,
    /// The verdict of all its checks together.
    pub(super) verdict: Verdict,
    /// Whether it is in while the verdict is open.
    pub(super) in_while_open: bool,
    /// The reload that added it to an existing service, until it has been up: servers removed by
    /// that reload wait for it.
    pub(super) successor: Option<Reload>,
    /// Whether it has served clients: if too few servers are left, it may do so again.
    pub(super) was_in: bool,
    /// When the verdict began.
    pub(super) since: BootTime,
    /// The check's text that changed the verdict.
    pub(super) reason: Arc<str>,
    /// Its weight grows until this is over.
    pub(super) ramp: Option<Box<Ramp>>,
    /// Counts its changes.
    pub(super) damper: Damper,
    /// The result of a hold when its service was last settled.
    pub(super) hold: Held,
    /// When it last went down.
    pub(super) failed: BootTime,
    /// Its failure had another cause: its way back says nothing about it either.
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
    /// It serves anyway, as too few others are up.
    KeptIn,
}

/// The reason of servers without a check so far that are in until then.
pub(super) fn in_and_not_checked_yet() -> Arc<str> {
    static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("in, and not checked yet"));
    Arc::clone(&TEXT)
}

/// The reason of servers that an operator put back and that are not checked since.
pub(super) fn checked_before_it_serves() -> Arc<str> {
    static TEXT: LazyLock<Arc<str>> =
        LazyLock::new(|| Arc::from("put back, and not checked since"));
    Arc::clone(&TEXT)
}

/// The effect of a check's new verdict on its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// None: the other checks decide.
    None,
    /// It is up now.
    Up,
    /// It is up, but changed too often and is held.
    HeldUp,
    /// It is down now.
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

    /// An operator puts it back: its checks have to pass again before it serves. What they said
    /// while it was out, or in an earlier life, says nothing about the present.
    pub(super) fn begin_anew(&mut self, now: Now) {
        self.damper = Damper::default();
        (self.excused, self.successor, self.ramp) = (false, None, None);
        self.in_while_open = false;
        if self.verdict != Verdict::Down {
            (self.verdict, self.since) = (Verdict::Open, now.boot);
            self.reason = checked_before_it_serves();
        }
    }

    /// Whether it should serve, according to its checks.
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
        // The very first verdict confirms the initial state, or is news; it is not flapping.
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
        let verdict = combined(targets, &self.checks, watch.combine);
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
                // A server missing from the kernel at the start may be new, or may have been dead
                // for long: one found dead replaces nothing.
                if self.successor == Some(0) {
                    self.successor = None;
                }
                Change::Down
            }
        }
    }

    /// Updates its weight and use from its checks' advice.
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

    /// A change does not count because of a common cause; returns whether the server is no longer
    /// held.
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

    /// Lets time pass: the end of a hold starts the ramp; returns whether one ended.
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

    /// A hold has ended. A server that kept serving is where it should be.
    fn come_back(&mut self, watch: &ServiceWatch, now: BootTime) {
        if self.verdict == Verdict::Up && self.hold == Held::Out {
            self.ramp = Ramp::begin(watch.slow_start, now).map(Box::new);
        }
    }
}

fn combined(targets: &Targets, checks: &[TargetId], combine: Combine) -> Verdict {
    let any = |verdict| {
        let mut checks = targets.states(checks);
        checks.any(|check| check.verdict == verdict)
    };
    let (decisive, other) = match combine {
        Combine::All => (Verdict::Down, Verdict::Up),
        Combine::Any => (Verdict::Up, Verdict::Down),
    };
    if checks.is_empty() {
        Verdict::Up
    } else if any(decisive) {
        decisive
    } else if any(Verdict::Open) {
        Verdict::Open
    } else {
        other
    }
}
