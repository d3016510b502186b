//! What became of adverts, counted.

use std::time::Duration;

use crate::codec::DecodeError;

/// What became of a received advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Backup: the active router's; the timer starts again.
    Followed,
    /// Backup: of lower priority, but not preempted (yet).
    FollowedLower,
    /// Backup: of lower priority; discarded, so that the timer runs out.
    DiscardedLower,
    /// Backup: the active router releases its addresses.
    Released,
    /// Backup: a release by a router that is not the active one any more; ignored.
    Stray,
    /// Active: of lower priority; answered immediately.
    Answered,
    /// Active: the same, but an answer has just been sent.
    AnsweredBefore,
    /// Active: of higher priority, or a lost tie; this router is a backup now.
    SteppedBack,
    /// Active: another router releases addresses; answered.
    RivalReleased,
    /// Active, in a planned switchover: the peer takes over.
    TookOver,
    /// Not running: only remembered for the status.
    Observed,
    /// From our own address.
    Own,
}

impl Fate {
    /// How many there are.
    pub const COUNT: usize = 12;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Followed,
        Self::FollowedLower,
        Self::DiscardedLower,
        Self::Released,
        Self::Stray,
        Self::Answered,
        Self::AnsweredBefore,
        Self::SteppedBack,
        Self::RivalReleased,
        Self::TookOver,
        Self::Observed,
        Self::Own,
    ];
}

/// The counters of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Adverts sent, of every priority.
    pub sent: u64,
    /// Of these, with priority 0.
    pub sent_releases: u64,
    /// Adverts that could not be sent.
    pub send_failures: u64,
    /// Adverts of the active router that came later than one and a half of its intervals.
    pub peer_late: u64,
    /// The latest message that was discarded, and when.
    pub last_discard: Option<(DecodeError, Duration)>,
    fates: [u64; Fate::COUNT],
    discarded: [u64; DecodeError::KINDS],
}

impl Counters {
    /// Adverts received that had this fate.
    #[must_use]
    pub const fn fate(&self, fate: Fate) -> u64 {
        self.fates[fate as usize]
    }

    /// Adverts received that were valid.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.fates.iter().sum()
    }

    /// Messages discarded, by [`DecodeError::NAMES`].
    #[must_use]
    pub const fn discarded(&self) -> &[u64; DecodeError::KINDS] {
        &self.discarded
    }

    pub(super) const fn count(&mut self, fate: Fate) {
        self.fates[fate as usize] += 1;
    }

    pub(super) const fn discard(&mut self, error: DecodeError, now: Duration) {
        self.discarded[error.kind()] += 1;
        self.last_discard = Some((error, now));
    }
}

/// The counters of the whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How often it became active.
    pub became_active: u64,
    /// How often it gave the addresses up, for any reason.
    pub gave_up: u64,
    /// Conflicts: another router was active too.
    pub conflicts: u64,
    /// Stalls: it was not asked for longer than the bound.
    pub stalls: u64,
    /// Own adverts that were later than half an interval.
    pub late: u64,
    /// The latest of all own adverts: by how much.
    pub latest: Duration,
}
