//! Backup: follow the active router, and claim when it is gone.

use std::time::Duration;

use super::{Action, Fate, Hold, Machine, Notice, Phase, Preempt, Reason};
use crate::Priority;
use crate::codec::Received;

impl Machine {
    /// Listens from now on, for a whole `Active_Down_Interval`.
    pub(super) fn become_backup(
        &mut self,
        now: Duration,
        reason: Reason,
        actions: &mut Vec<Action>,
    ) {
        if self.is_claimed() {
            self.hold = Hold::None;
        }
        self.listen(now);
        self.enter(Phase::Backup, reason, actions);
    }

    /// Starts all timers of a backup.
    pub(super) fn listen(&mut self, now: Duration) {
        self.outranks = None;
        self.cause = Reason::Silence {
            last: self.tracks.iter().find_map(|t| t.peer).map(|p| p.source),
        };
        for track in &mut self.tracks {
            track.listen(now);
            track.rival = None;
            track.taken = None;
        }
    }

    /// When the group claims: once all members have been silent long enough.
    pub(super) fn claim_at(&self) -> Duration {
        let priority = self.priority();
        let last = self
            .tracks
            .iter()
            .map(|track| track.down_at(priority))
            .max();
        last.unwrap_or(Duration::MAX)
    }

    pub(super) fn receive_in_backup(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        let priority = received.advert.priority;
        let by = received.source;
        if priority == Priority::RELEASE {
            return self.release_in_backup(now, member, received);
        }
        let ours = self.priority();
        if priority < ours && self.may_preempt(now) {
            let active = received.source;
            self.cause = Reason::Preempts { active, priority };
            return Fate::DiscardedLower;
        }
        if priority >= ours {
            self.outranks = None;
        }
        self.cause = Reason::Silence { last: Some(by) };
        if let Some(track) = self.tracks.get_mut(member) {
            track.follow(now, member, received, actions);
        }
        self.note_silence(now, ours, actions);
        if priority < ours {
            Fate::FollowedLower
        } else {
            Fate::Followed
        }
    }

    /// One member heard the active router: have the others?
    fn note_silence(&mut self, now: Duration, ours: Priority, actions: &mut Vec<Action>) {
        for (member, track) in self.tracks.iter_mut().enumerate() {
            if !track.silent && now > track.down_at(ours) {
                track.silent = true;
                actions.push(Action::Notice(Notice::MemberSilent { member }));
            }
        }
    }

    /// Whether it has outranked the active router for long enough.
    fn may_preempt(&mut self, now: Duration) -> bool {
        match self.config.preempt {
            Preempt::Never => false,
            Preempt::After(delay) => {
                let since = *self.outranks.get_or_insert(now);
                now.saturating_sub(since) >= delay
            }
        }
    }

    /// The active router is about to go: all members wait for `Skew_Time` only. An advert that
    /// comes on another member after this makes that one wait again.
    fn release_in_backup(&mut self, now: Duration, member: usize, received: &Received<'_>) -> Fate {
        let ours = self.priority();
        let by = received.source;
        let Some(track) = self.tracks.get(member) else {
            return Fate::Observed;
        };
        if let Some(peer) = track.peer
            && peer.source != by
            && now <= peer.heard.saturating_add(track.down(ours))
        {
            return Fate::Stray;
        }
        self.cause = Reason::Released { by };
        for track in &mut self.tracks {
            track.from = now;
            track.released = true;
        }
        Fate::Released
    }

    pub(super) fn backup_timer(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if now >= self.claim_at() {
            self.become_active(now, self.cause, actions);
        }
    }
}
