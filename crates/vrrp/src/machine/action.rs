//! What goes in and out of the machine.

use std::time::Duration;

use super::{Change, Notice};
use crate::Priority;

/// What happens to a machine, apart from adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Begin: the protocol's Startup.
    Start,
    /// Begin where an earlier process left off: as the active router, if its last advert has not
    /// lapsed. The addresses have stayed.
    Resume {
        /// When that process sent its last advert, on the same clock.
        last_sent: Duration,
    },
    /// The startup delay is over, for example because health is known.
    Ready,
    /// The time last set by [`Action::SetTimer`] has come. Hand in adverts that have been received
    /// before this.
    Timer,
    /// End now: the protocol's Shutdown. The addresses go immediately; the peer needs `Skew_Time`.
    Stop,
    /// End as soon as a peer has taken over, or none has come.
    StopAfterHandover,
    /// Planned switchover: hand over, and claim again only if no other router does, or after `until`.
    Yield {
        /// Until when; `None`: until [`Input::EndHold`] or [`Input::Claim`].
        until: Option<Duration>,
    },
    /// Become the active router now, whatever `preempt` says; above the priority of the present
    /// one, if need be, but never above 254.
    Claim {
        /// Until when it keeps a raised priority; `None`: as long as it is active.
        until: Option<Duration>,
    },
    /// End a yield or a claim.
    EndHold,
    /// Before [`Input::Start`] or [`Input::Resume`]: a yield that an earlier process had.
    RestoreYield {
        /// Until when, as of [`Input::Yield`].
        until: Option<Duration>,
    },
    /// Before [`Input::Resume`]: a claim that an earlier process had. It ends, as every claim does,
    /// if this one is not active.
    RestoreClaim {
        /// The priority to which it was raised; more than 254 counts as 254.
        priority: Priority,
        /// Until when, as of [`Input::Claim`].
        until: Option<Duration>,
    },
    /// Another priority, as health changes; 0 counts as 1.
    Priority(Priority),
    /// A member cannot send or receive: its interface is down.
    Fault {
        /// Which one.
        member: usize,
    },
    /// It can again.
    Repaired {
        /// Which one.
        member: usize,
    },
    /// The advert last sent by [`Action::Send`] could not be sent. After three intervals without
    /// one the claim has lapsed.
    SendFailed {
        /// Of which member.
        member: usize,
    },
}

/// What the program should do, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send [`Machine::advert`](super::Machine::advert) of this member with this priority.
    Send {
        /// Which one.
        member: usize,
        /// 0: releases the addresses.
        priority: Priority,
    },
    /// Put the virtual addresses of all members in place. Some may be there already.
    TakeAddresses,
    /// Send gratuitous ARP and unsolicited neighbour advertisements for all addresses.
    Announce,
    /// Keep the addresses and forward what arrives, but do not answer ARP and neighbour
    /// solicitations for them: they are the peer's now.
    Linger,
    /// Remove the virtual addresses of all members.
    ReleaseAddresses,
    /// Replace the timer: hand in [`Input::Timer`] at this time. `None`: no timer.
    SetTimer(Option<Duration>),
    /// For the log: another state, or a fault before the first election.
    Changed(Change),
    /// For the log: something worth knowing.
    Notice(Notice),
}
