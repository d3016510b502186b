//! Active: send adverts, answer lower priorities, give way to higher ones.

use std::time::Duration;

use super::track::Rival;
use super::{Action, Fate, Machine, Notice, Phase, Reason};
use crate::Priority;
use crate::codec::Received;

/// Answers to rivals per interval.
const ANSWERS: u32 = 4;

impl Machine {
    /// Adverts first, so that rivals give way; then the addresses; then the switches' tables.
    pub(super) fn become_active(
        &mut self,
        now: Duration,
        reason: Reason,
        actions: &mut Vec<Action>,
    ) {
        self.outranks = None;
        for track in &mut self.tracks {
            track.rival = None;
            track.taken = None;
            // What fails now has three intervals to succeed.
            track.sent = now;
        }
        self.send_all(now, actions);
        actions.push(Action::TakeAddresses);
        actions.push(Action::Announce);
        self.enter(Phase::Active, reason, actions);
    }

    /// An advert for each member, now.
    pub(super) fn send_all(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let priority = self.priority();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            track.send(now, index, priority, actions);
            track.next_send = now.saturating_add(track.member.interval.duration());
        }
    }

    pub(super) fn receive_in_active(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        let priority = received.advert.priority;
        let by = received.source;
        if priority == Priority::RELEASE {
            return self.rival_releases(now, member, received, actions);
        }
        let ours = self.priority();
        // A higher priority is no conflict: we give way immediately.
        if priority <= ours {
            self.note_rival(now, member, received, actions);
        }
        if priority >= ours && self.outbid(priority) {
            return self.answer(now, member, actions);
        }
        let reason = if priority > ours {
            Reason::Outranked { by, priority }
        } else if priority == ours && self.loses_tie(now, member, received) {
            Reason::LostTie { by }
        } else {
            return self.answer(now, member, actions);
        };
        actions.push(Action::ReleaseAddresses);
        self.become_backup(now, reason, actions);
        self.cause = Reason::Silence { last: Some(by) };
        if let Some(track) = self.tracks.get_mut(member) {
            track.follow(now, member, received, actions);
        }
        Fate::SteppedBack
    }

    /// RFC 9568, 6.4.3: the higher primary address wins. In a group all members have to come to the
    /// same answer on both sides, so only the first member in order counts that hears the rival. A
    /// later one counts when the rival has been silent on those before it for two intervals.
    fn loses_tie(&self, now: Duration, member: usize, received: &Received<'_>) -> bool {
        let Some(track) = self.tracks.get(member) else {
            return false;
        };
        if received.source <= track.member.source {
            return false;
        }
        let patience = self.interval() * 2;
        let earlier = self.order.iter().take_while(|index| **index != member);
        let mut rivals = earlier.filter_map(|index| self.tracks.get(*index)?.rival);
        let is_first = self.order.first() == Some(&member);
        let lasted = track
            .rival
            .is_some_and(|rival| now.saturating_sub(rival.since) >= patience);
        is_first || (lasted && rivals.all(|rival| now.saturating_sub(rival.last) >= patience))
    }

    /// Another router is active: a conflict, until it has been silent for two intervals.
    fn note_rival(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (source, priority) = (received.source, received.advert.priority);
        let ours = self.priority();
        let Some(track) = self.tracks.get_mut(member) else {
            return;
        };
        // It should have given way after our answer to its first advert, or to one of the next.
        let patience = track.lapse().saturating_mul(2);
        if let Some(rival) = &mut track.rival {
            rival.source = source;
            rival.last = now;
            if !rival.deaf && priority < ours && now.saturating_sub(rival.since) > patience {
                rival.deaf = true;
                actions.push(Action::Notice(Notice::NotHeard { member, by: source }));
            }
            return;
        }
        track.rival = Some(Rival {
            source,
            since: now,
            last: now,
            deaf: false,
        });
        self.totals.conflicts += 1;
        actions.push(Action::Notice(Notice::Conflict {
            member,
            with: source,
            priority,
        }));
        if priority == Priority::OWNER && ours == Priority::OWNER {
            actions.push(Action::Notice(Notice::SecondOwner { member, by: source }));
        }
    }

    /// "Send an ADVERTISEMENT immediately to assert the Active state" (6.4.3). The next regular one
    /// comes at its time.
    fn answer(&mut self, now: Duration, member: usize, actions: &mut Vec<Action>) -> Fate {
        let priority = self.priority();
        let Some(track) = self.tracks.get_mut(member) else {
            return Fate::Observed;
        };
        let pause = track.member.interval.duration() / ANSWERS;
        if track
            .answered
            .is_some_and(|before| now < before.saturating_add(pause))
        {
            return Fate::AnsweredBefore;
        }
        track.answered = Some(now);
        track.send(now, member, priority, actions);
        Fate::Answered
    }

    /// "If an ADVERTISEMENT with priority 0 is received: send an ADVERTISEMENT" (6.4.3), so that
    /// other backups do not claim.
    fn rival_releases(
        &mut self,
        now: Duration,
        member: usize,
        received: &Received<'_>,
        actions: &mut Vec<Action>,
    ) -> Fate {
        if let Some(track) = self.tracks.get_mut(member)
            && track.rival.is_some_and(|r| r.source == received.source)
        {
            track.rival = None;
            actions.push(Action::Announce);
            actions.push(Action::Notice(Notice::ConflictOver { member }));
        }
        match self.answer(now, member, actions) {
            Fate::Answered => Fate::RivalReleased,
            fate => fate,
        }
    }

    /// The next advert, or the end of a conflict.
    pub(super) fn active_deadline(&self) -> Option<Duration> {
        let sends = self.tracks.iter().map(|track| track.next_send);
        let silence = self.tracks.iter().filter_map(|track| {
            let rival = track.rival?;
            Some(rival.last.saturating_add(self.rival_silence(track)))
        });
        sends.chain(silence).min()
    }

    /// A rival that has been silent for this long has given way.
    fn rival_silence(&self, track: &super::Track) -> Duration {
        let theirs = track.peer.map(|peer| peer.interval.duration());
        theirs.map_or(self.interval(), |theirs| theirs.max(self.interval())) * 2
    }

    pub(super) fn active_timer(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let priority = self.priority();
        // The adverts before these went out.
        self.probation &= self.tracks.iter().any(|track| track.send_failed);
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if now < track.next_send {
                continue;
            }
            let interval = track.member.interval.duration();
            let late = now - track.next_send;
            self.totals.latest = self.totals.latest.max(late);
            self.totals.late += u64::from(late > interval / 2);
            track.send(now, index, priority, actions);
            // In step with the clock, not with our own lateness, unless a whole one was missed.
            let next = track.next_send.saturating_add(interval);
            track.next_send = if next > now {
                next
            } else {
                now.saturating_add(interval)
            };
        }
        for index in 0..self.tracks.len() {
            let Some(track) = self.tracks.get(index) else {
                continue;
            };
            let silence = self.rival_silence(track);
            if track
                .rival
                .is_none_or(|r| now < r.last.saturating_add(silence))
            {
                continue;
            }
            if let Some(track) = self.tracks.get_mut(index) {
                track.rival = None;
            }
            // The rival's gratuitous ARP may still be in everybody's tables.
            actions.push(Action::Announce);
            actions.push(Action::Notice(Notice::ConflictOver { member: index }));
        }
    }
}
