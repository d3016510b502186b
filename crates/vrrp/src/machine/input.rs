//! What each input does.

use std::time::Duration;

use super::track::Fault;
use super::{Action, Hold, Input, Machine, Notice, Phase, Reason, State};
use crate::Priority;

impl Machine {
    /// Everything but adverts.
    pub fn handle(&mut self, now: Duration, input: Input, actions: &mut Vec<Action>) {
        let now = self.wake(now, actions);
        match input {
            Input::Start => self.start(now, None, actions),
            Input::Resume { last_sent } => self.start(now, Some(last_sent), actions),
            Input::Ready => {
                self.ready_at = Duration::ZERO;
                if matches!(self.phase, Phase::Starting { .. }) {
                    self.listen_or_own(now, Reason::Started, actions);
                }
            }
            Input::Timer => self.timer_ran_out(now, actions),
            Input::Stop => self.stop(now, actions),
            Input::StopAfterHandover => self.yield_now(now, None, true, actions),
            Input::Yield { until } => self.yield_now(now, until, false, actions),
            Input::Claim { until } => self.claim(now, until, actions),
            Input::EndHold => self.end_hold(now, actions),
            Input::RestoreYield { until } => self.restore(Hold::Yielded { until }),
            Input::RestoreClaim { priority, until } => {
                let priority = priority.clamp(Priority::LEAST, Priority::HIGHEST);
                self.restore(Hold::Claimed {
                    priority,
                    blind: false,
                    until,
                });
            }
            Input::Priority(priority) => {
                let before = self.priority();
                self.config.priority = priority.max(Priority::LEAST);
                self.tell_priority(now, before, actions);
            }
            Input::Fault { member } => self.fault(now, member, actions),
            Input::Repaired { member } => self.repaired(now, member, actions),
            Input::SendFailed { member } => {
                if let Some(track) = self.tracks.get_mut(member) {
                    track.counters.send_failures += 1;
                    track.sent = track.sent_before;
                    track.send_failed = true;
                    if self.probation && self.phase == Phase::Active {
                        self.cannot_send(now, member, actions);
                    }
                }
            }
        }
        self.arm(actions);
    }

    /// What an earlier process had; a running one has its own.
    const fn restore(&mut self, hold: Hold) {
        if matches!(self.phase, Phase::Stopped) {
            self.hold = hold;
        }
    }

    fn start(&mut self, now: Duration, last_sent: Option<Duration>, actions: &mut Vec<Action>) {
        if self.phase != Phase::Stopped {
            self.stop_no_more(now, actions);
            return;
        }
        self.ready_at = now.saturating_add(self.config.startup_delay);
        if self.has_fault() {
            self.enter(Phase::Fault, Reason::Started, actions);
            return;
        }
        let lapse = self.tracks.iter().map(super::Track::lapse).min();
        let holds = last_sent
            .is_some_and(|sent| lapse.is_some_and(|lapse| now.saturating_sub(sent) <= lapse));
        if holds {
            self.become_active(now, Reason::Resumed, actions);
        } else {
            self.begin(now, Reason::Started, actions);
        }
    }

    /// Started again while it waited for a peer to take over.
    fn stop_no_more(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let stopping = std::mem::take(&mut self.stopping);
        if stopping && matches!(self.phase, Phase::Yielding { .. }) && !self.is_yielded() {
            self.become_active(now, Reason::Started, actions);
        }
    }

    /// After the startup delay, which may still run when a fault is over.
    fn begin(&mut self, now: Duration, reason: Reason, actions: &mut Vec<Action>) {
        let until = self.ready_at;
        if now < until {
            self.enter(Phase::Starting { until }, reason, actions);
        } else {
            self.listen_or_own(now, reason, actions);
        }
    }

    /// The owner does not ask (6.4.1).
    fn listen_or_own(&mut self, now: Duration, reason: Reason, actions: &mut Vec<Action>) {
        if self.priority() == Priority::OWNER {
            self.become_active(now, Reason::Owner, actions);
        } else {
            self.become_backup(now, reason, actions);
        }
    }

    fn timer_ran_out(&mut self, now: Duration, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Starting { until } if now >= until => {
                self.listen_or_own(now, Reason::Started, actions);
            }
            Phase::Stopped | Phase::Starting { .. } => {}
            Phase::Fault => self.retry(now, actions),
            Phase::Backup => self.backup_timer(now, actions),
            Phase::Active => self.active_timer(now, actions),
            Phase::Yielding { until } => self.yielding_timer(now, until, actions),
            Phase::Lingering { since } => self.lingering_timer(now, since, actions),
        }
    }

    pub(super) fn stop(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.state() == State::Active {
            self.say_release(now, actions);
            actions.push(Action::ReleaseAddresses);
        }
        self.forget_claim();
        self.enter(Phase::Stopped, Reason::Stopped, actions);
    }

    /// Priority 0 on all members that can send. After the peer has taken over it would be a lie.
    pub(super) fn say_release(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Lingering { .. }) {
            return;
        }
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if track.fault == Fault::None {
                track.send(now, index, Priority::RELEASE, actions);
            }
        }
    }

    fn fault(&mut self, now: Duration, member: usize, actions: &mut Vec<Action>) {
        let Some(track) = self.tracks.get_mut(member) else {
            return;
        };
        track.fault = Fault::Told;
        if matches!(self.phase, Phase::Stopped | Phase::Fault) {
            return;
        }
        if self.state() == State::Active {
            self.say_release(now, actions);
            actions.push(Action::ReleaseAddresses);
        }
        let phase = if self.stopping {
            Phase::Stopped
        } else {
            Phase::Fault
        };
        self.forget_claim();
        self.enter(phase, Reason::Fault { member }, actions);
    }

    fn repaired(&mut self, now: Duration, member: usize, actions: &mut Vec<Action>) {
        if let Some(track) = self.tracks.get_mut(member) {
            track.fault = Fault::None;
        }
        if self.phase == Phase::Fault && !self.has_fault() {
            self.begin(now, Reason::Repaired, actions);
        }
    }

    /// Members that could not send are tried again.
    fn retry(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for track in &mut self.tracks {
            if matches!(track.fault, Fault::Until(at) if now >= at) {
                track.fault = Fault::None;
            }
        }
        if !self.has_fault() {
            self.begin(now, Reason::Repaired, actions);
        }
    }

    fn end_hold(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.hold == Hold::None {
            return;
        }
        let before = self.priority();
        self.hold = Hold::None;
        actions.push(Action::Notice(Notice::HoldOver));
        if matches!(self.phase, Phase::Yielding { .. }) && !self.stopping {
            self.become_active(now, Reason::Claimed, actions);
            return;
        }
        self.tell_priority(now, before, actions);
    }

    /// An active router sends its new priority immediately; a backup's timers follow by themselves.
    fn tell_priority(&mut self, now: Duration, before: Priority, actions: &mut Vec<Action>) {
        if self.phase == Phase::Active && self.priority() != before {
            self.send_all(now, actions);
        }
    }
}
