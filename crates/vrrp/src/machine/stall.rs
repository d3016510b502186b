//! Time that passed without us: SIGSTOP, a paused virtual machine, a starved processor; and adverts
//! that could not be sent.

use std::time::Duration;

use super::track::Fault;
use super::{Action, Hold, Machine, Notice, Phase, Reason};

/// A member that could not send is tried again after a second, or this many intervals.
const RETRY: u32 = 10;

impl Machine {
    /// Every input comes through here first: time, holds that have ended, stalls. Returns the time,
    /// which never goes back.
    pub(super) fn wake(&mut self, now: Duration, actions: &mut Vec<Action>) -> Duration {
        let now = now.max(self.now);
        self.now = now;
        let until = match self.hold {
            Hold::None => None,
            Hold::Yielded { until } | Hold::Claimed { until, .. } => until,
        };
        match self.phase {
            Phase::Stopped | Phase::Starting { .. } | Phase::Fault => {}
            Phase::Backup => self.stalled_backup(now, actions),
            Phase::Active => self.lapsed_claim(now, actions),
            Phase::Yielding { .. } | Phase::Lingering { .. } => {
                self.stalled_handover(now, actions);
            }
        }
        if until.is_some_and(|until| now >= until) && self.hold != Hold::None {
            self.hold = Hold::None;
            actions.push(Action::Notice(Notice::HoldOver));
        }
        now
    }

    /// A timer that is later than this was not late by chance.
    fn bound(&self) -> Duration {
        self.config.stall.unwrap_or_else(|| self.interval())
    }

    /// Adverts may have been lost during the stall: it listens once more.
    fn stalled_backup(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let late = now.saturating_sub(self.claim_at());
        if late > self.bound() {
            self.totals.stalls += 1;
            self.listen(now);
            actions.push(Action::Notice(Notice::Stalled { late }));
        }
    }

    /// After three intervals without an advert of ours a backup may have claimed. What we sent now
    /// would be news from another time; so no word, not even priority 0.
    fn lapsed_claim(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let lapsed = self.tracks.iter().enumerate().find(|(_, track)| {
            let stalled = self.config.stall.map_or(Duration::MAX, |bound| {
                track.member.interval.duration().saturating_add(bound)
            });
            let most = if track.send_failed {
                track.lapse()
            } else {
                track.lapse().min(stalled)
            };
            now > track.sent.saturating_add(most)
        });
        let Some((member, track)) = lapsed else {
            return;
        };
        let silent = now.saturating_sub(track.sent);
        let cannot_send = track.send_failed;
        if !cannot_send {
            self.totals.stalls += 1;
            actions.push(Action::ReleaseAddresses);
            self.become_backup(now, Reason::Stalled { silent }, actions);
            return;
        }
        self.cannot_send(now, member, actions);
    }

    /// Gives the claim up. The next one is on probation: it ends with the first advert that cannot
    /// be sent.
    pub(super) fn cannot_send(&mut self, now: Duration, member: usize, actions: &mut Vec<Action>) {
        let retry = (self.interval() * RETRY).max(Duration::from_secs(1));
        for track in self.tracks.iter_mut().filter(|track| track.send_failed) {
            track.fault = Fault::Until(now.saturating_add(retry));
        }
        self.say_release(now, actions);
        actions.push(Action::ReleaseAddresses);
        self.forget_claim();
        self.probation = true;
        self.enter(Phase::Fault, Reason::CannotSend { member }, actions);
    }

    /// Leaving the active state for Initialize.
    pub(super) fn forget_claim(&mut self) {
        if self.is_claimed() {
            self.hold = Hold::None;
        }
        self.stopping = false;
        for track in &mut self.tracks {
            track.rival = None;
            track.taken = None;
            track.send_failed = false;
        }
    }

    /// What the peer did during the stall is unknown. It was asked to take over, so it has the addresses
    /// or will claim them soon.
    fn stalled_handover(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let Some(silent) = self
            .timer
            .and_then(|timer| now.checked_sub(timer))
            .filter(|late| *late > self.bound())
        else {
            return;
        };
        self.totals.stalls += 1;
        actions.push(Action::ReleaseAddresses);
        if self.stopping {
            self.forget_claim();
            self.enter(Phase::Stopped, Reason::Stalled { silent }, actions);
        } else {
            self.become_backup(now, Reason::Stalled { silent }, actions);
        }
    }
}
