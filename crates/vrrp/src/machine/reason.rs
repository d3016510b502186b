//! Why the state changed.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::State;
use crate::Priority;

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.from, self.to, self.reason)
    }
}

/// Why the state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was started.
    Started,
    /// It owns the addresses (priority 255).
    Owner,
    /// It goes on where an earlier process left off.
    Resumed,
    /// No advert for `Active_Down_Interval`.
    Silence {
        /// From whom the last one came.
        last: Option<IpAddr>,
    },
    /// The active router sent priority 0.
    Released {
        /// The active router.
        by: IpAddr,
    },
    /// It preempts an active router of lower priority.
    Preempts {
        /// The active router.
        active: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// An operator's claim.
    Claimed,
    /// A router of higher priority is active.
    Outranked {
        /// That router.
        by: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// A router of equal priority and higher address is active.
    LostTie {
        /// That router.
        by: IpAddr,
    },
    /// The peer has taken over in a planned switchover.
    HandedOver {
        /// The peer.
        to: Option<IpAddr>,
    },
    /// It did not run for so long that its claim has lapsed.
    Stalled {
        /// The time since its last advert.
        silent: Duration,
    },
    /// No advert could be sent until its claim had lapsed.
    CannotSend {
        /// Which member.
        member: usize,
    },
    /// A member cannot send or receive.
    Fault {
        /// Which one.
        member: usize,
    },
    /// The fault is gone.
    Repaired,
    /// It was stopped.
    Stopped,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Owner => f.write_str("owns the addresses"),
            Self::Resumed => f.write_str("continues for the previous process"),
            Self::Silence { last: None } => f.write_str("no active router was heard"),
            Self::Silence { last: Some(last) } => write!(f, "no more adverts from {last}"),
            Self::Released { by } => write!(f, "{by} released the addresses"),
            Self::Preempts { active, priority } => {
                write!(f, "preempts {active}, which has priority {priority}")
            }
            Self::Claimed => f.write_str("claimed by an operator"),
            Self::Outranked { by, priority } => {
                write!(f, "{by} is active with the higher priority {priority}")
            }
            Self::LostTie { by } => {
                write!(
                    f,
                    "{by} is active with the same priority and a higher address"
                )
            }
            Self::HandedOver { to: Some(to) } => write!(f, "handed over to {to}"),
            Self::HandedOver { to: None } => f.write_str("handed over"),
            Self::Stalled { silent } => {
                write!(f, "did not run: no advert for {} ms", silent.as_millis())
            }
            Self::CannotSend { member } => write!(f, "member {member} cannot send adverts"),
            Self::Fault { member } => write!(f, "member {member} is faulty"),
            Self::Repaired => f.write_str("the fault is gone"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}
