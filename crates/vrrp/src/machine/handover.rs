//! Planned switchover, and an operator's claim.
//!
//! ```text
//! Active ─ Yield ─► Yielding: priority 0, addresses stay
//!    ▲                 │ peer heard on all members      │ no peer in 6 intervals
//!    │                 ▼                                ▼
//!    │              Lingering ─ peer heard again ─► Backup, priority 1
//!    └───────────────── peer silent
//! ```

use std::time::Duration;

use super::{Action, Fate, Hold, Machine, Notice, Phase, Reason};
use crate::Priority;
use crate::codec::Received;

/// Intervals between two adverts with priority 0. A backup claims within one interval after the
/// first; a second one that came just before that would make it wait again.
const ASK_EVERY: u32 = 2;

/// Intervals for which a peer is asked: three times.
const ASK_FOR: u32 = 6;

impl Machine {
    pub(super) fn yield_now(
        &mut self,
        now: Duration,
        until: Option<Duration>,
        stop: bool,
        actions: &mut Vec<Action>,
    ) {
        if !stop {
            self.hold = Hold::Yielded { until };
        }
        match self.phase {
            Phase::Active => {
                self.stopping = stop;
                self.phase = Phase::Yielding {
                    until: now.saturating_add(self.interval() * ASK_FOR),
                };
                for track in &mut self.tracks {
                    track.taken = None;
                    track.confirmed = None;
                    track.rival = None;
                }
                self.ask(now, actions);
            }
            Phase::Yielding { .. } | Phase::Lingering { .. } => self.stopping |= stop,
            _ if stop => self.stop(now, actions),
            _ => {}
        }
    }

    /// Priority 0 on all members.
    fn ask(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let pause = self.interval() * ASK_EVERY;
        for (index, track) in self.tracks.iter_mut().enumerate() {
            track.send(now, index, Priority::RELEASE, actions);
            track.next_send = now.saturating_add(pause);
        }
    }

    pub(super) fn receive_yielding(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        let by = received.source;
        if received.advert.priority == Priority::RELEASE {
            return Fate::Stray;
        }
        if let Some(track) = self.tracks.get_mut(member) {
            track.follow(now, member, received, actions);
            track.taken.get_or_insert(now);
        }
        if self.tracks.iter().all(|track| track.taken.is_some()) {
            self.phase = Phase::Lingering { since: now };
            actions.push(Action::Linger);
            actions.push(Action::Notice(Notice::TakenOver { by }));
        }
        Fate::TookOver
    }

    pub(super) fn receive_lingering(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        let Some(track) = self.tracks.get_mut(member) else {
            return Fate::Observed;
        };
        if received.advert.priority == Priority::RELEASE {
            if track.peer.is_none_or(|p| p.source != received.source) {
                return Fate::Stray;
            }
            self.take_back(now, actions);
            return Fate::RivalReleased;
        }
        track.follow(now, member, received, actions);
        // A copy of the first one, delayed or answered, proves nothing: half an interval later does.
        let half = track.active_interval.duration() / 2;
        if track
            .taken
            .is_some_and(|first| now.saturating_sub(first) >= half)
        {
            track.confirmed.get_or_insert(now);
        }
        Fate::TookOver
    }

    /// The next question, or the end of asking.
    pub(super) fn yielding_deadline(&self, until: Duration) -> Option<Duration> {
        let asks = self.tracks.iter().map(|track| track.next_send);
        asks.chain([until]).min()
    }

    pub(super) fn yielding_timer(
        &mut self,
        now: Duration,
        until: Duration,
        actions: &mut Vec<Action>,
    ) {
        if now >= until {
            if self.stopping {
                self.stop(now, actions);
            } else {
                self.take_back(now, actions);
            }
        } else if self.tracks.iter().any(|track| now >= track.next_send) {
            self.ask(now, actions);
        }
    }

    /// When the peer has proved itself; when it has been silent; when both members of a group
    /// should have been heard and only one was.
    pub(super) fn lingering_deadline(&self, since: Duration) -> Duration {
        let linger = since.saturating_add(self.config.linger);
        if let Some(confirmed) = self.confirmed() {
            return linger.max(confirmed);
        }
        let cap = linger.saturating_add(self.interval() * ASK_FOR);
        self.claim_at().min(cap)
    }

    /// When the last member heard the peer again; `None` before that.
    fn confirmed(&self) -> Option<Duration> {
        let mut all = self.tracks.iter().map(|track| track.confirmed);
        all.try_fold(Duration::ZERO, |last, next| Some(last.max(next?)))
    }

    pub(super) fn lingering_timer(
        &mut self,
        now: Duration,
        since: Duration,
        actions: &mut Vec<Action>,
    ) {
        if now < self.lingering_deadline(since) {
            return;
        }
        if now >= self.claim_at() {
            self.take_back(now, actions);
            return;
        }
        let to = self.tracks.iter().find_map(|t| t.peer).map(|p| p.source);
        let reason = Reason::HandedOver { to };
        actions.push(Action::ReleaseAddresses);
        if self.stopping {
            self.stopping = false;
            self.enter(Phase::Stopped, reason, actions);
            return;
        }
        // The timers run since the peer was heard last.
        self.cause = Reason::Silence { last: to };
        self.outranks = None;
        self.enter(Phase::Backup, reason, actions);
    }

    /// No peer: it goes on as the active router, with its own priority.
    fn take_back(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.stopping = false;
        self.hold = Hold::None;
        self.become_active(now, Reason::Silence { last: None }, actions);
        actions.push(Action::Notice(Notice::HandoverFailed));
    }

    pub(super) fn claim(
        &mut self,
        now: Duration,
        until: Option<Duration>,
        actions: &mut Vec<Action>,
    ) {
        if matches!(self.phase, Phase::Stopped | Phase::Fault) {
            actions.push(Action::Notice(Notice::ClaimRefused));
            return;
        }
        if self.phase == Phase::Active && !self.is_yielded() {
            return;
        }
        let own = self.config.priority;
        // The highest that has been heard lately.
        let rival = self
            .tracks
            .iter()
            .filter_map(|track| {
                let peer = track.peer?;
                let fresh = now <= peer.heard.saturating_add(track.down(own));
                fresh.then_some(peer.priority)
            })
            .max();
        let priority = match rival {
            Some(rival) if rival >= Priority::HIGHEST && rival >= own => {
                actions.push(Action::Notice(Notice::ClaimRefused));
                return;
            }
            Some(rival) => own.max(Priority(rival.0.saturating_add(1))),
            None => own,
        };
        self.stopping = false;
        self.hold = Hold::Claimed {
            priority,
            blind: rival.is_none(),
            until,
        };
        self.become_active(now, Reason::Claimed, actions);
    }

    /// A claim that was set before any rival was heard, as just after a start, outbids the first one
    /// that is. Only once: two routers that were both told to claim would raise each other to the top.
    pub(super) const fn outbid(&mut self, rival: Priority) -> bool {
        let Hold::Claimed {
            priority, blind, ..
        } = &mut self.hold
        else {
            return false;
        };
        if !*blind || rival.0 >= Priority::HIGHEST.0 {
            return false;
        }
        *blind = false;
        *priority = Priority(rival.0 + 1);
        true
    }
}
