//! What a program can ask a machine.

use std::net::IpAddr;
use std::time::Duration;

use super::{Counters, Hold, Machine, Peer, Phase, State, Totals};
use crate::codec::{Advert, ChecksumForm, EncodeError};
use crate::{Interval, Priority};

impl Machine {
    /// The state of the protocol.
    #[must_use]
    pub const fn state(&self) -> State {
        self.phase.state()
    }

    /// The state in detail.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The time last set by [`Action::SetTimer`](super::Action::SetTimer).
    #[must_use]
    pub const fn timer(&self) -> Option<Duration> {
        self.timer
    }

    /// The priority with which it claims now: the configured one, unless an operator's yield lowers
    /// it to 1 or a claim raises it.
    #[must_use]
    pub fn priority(&self) -> Priority {
        match self.hold {
            Hold::None => self.config.priority,
            Hold::Yielded { .. } => Priority::LEAST,
            Hold::Claimed { priority, .. } => priority.max(self.config.priority),
        }
    }

    /// Whether an operator's yield is in force.
    #[must_use]
    pub const fn is_yielded(&self) -> bool {
        matches!(self.hold, Hold::Yielded { .. })
    }

    /// Whether an operator's claim is in force.
    #[must_use]
    pub const fn is_claimed(&self) -> bool {
        matches!(self.hold, Hold::Claimed { .. })
    }

    /// The router that this member last heard claiming the addresses.
    #[must_use]
    pub fn peer(&self, member: usize) -> Option<&Peer> {
        self.tracks.get(member)?.peer.as_ref()
    }

    /// The interval of the active router as this member knows it (`Active_Adver_Interval`).
    #[must_use]
    pub fn active_interval(&self, member: usize) -> Option<Interval> {
        Some(self.tracks.get(member)?.active_interval)
    }

    /// The form of the checksum that this member sends.
    #[must_use]
    pub fn checksum_form(&self, member: usize) -> Option<ChecksumForm> {
        Some(self.tracks.get(member)?.form)
    }

    /// The counters of a member.
    #[must_use]
    pub fn counters(&self, member: usize) -> Option<&Counters> {
        Some(&self.tracks.get(member)?.counters)
    }

    /// The counters of the machine.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What this member says with this priority.
    #[must_use]
    pub fn advert(&self, member: usize, priority: Priority) -> Option<Advert<'_>> {
        Some(self.tracks.get(member)?.member.advert(priority))
    }

    /// Writes this member's advert into a buffer, with the checksum that its peers want, and
    /// returns its length; 0 if there is no such member.
    ///
    /// # Errors
    ///
    /// If the destination is of the other family, or the buffer too small.
    pub fn encode(
        &self,
        member: usize,
        priority: Priority,
        destination: IpAddr,
        buffer: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let Some(track) = self.tracks.get(member) else {
            return Ok(0);
        };
        let advert = track.member.advert(priority);
        advert.encode_into(track.form, track.member.source, destination, buffer)
    }
}
