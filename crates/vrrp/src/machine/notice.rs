//! What an operator should know.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::codec::ChecksumForm;
use crate::words::addresses;
use crate::{Interval, Priority};

/// Something worth telling an operator. Each comes once for its cause, not once for each advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The active router has another interval than this one; version 3 adopts it.
    IntervalLearned {
        /// Which member.
        member: usize,
        /// The interval now.
        interval: Interval,
    },
    /// A peer sends another form of the checksum; adverts are sent so from now on.
    ChecksumLearned {
        /// Which member.
        member: usize,
        /// The form now.
        form: ChecksumForm,
    },
    /// A peer has another list of addresses. A warning only: one side is edited before the other.
    AddressesDiffer {
        /// Which member.
        member: usize,
        /// How many the peer advertises.
        theirs: usize,
        /// How many this router advertises.
        ours: usize,
    },
    /// The lists agree again.
    AddressesAgree {
        /// Which member.
        member: usize,
    },
    /// The active router is heard on other members of the group, but no longer on this one.
    MemberSilent {
        /// Which member.
        member: usize,
    },
    /// Another router is active too.
    Conflict {
        /// Which member.
        member: usize,
        /// The other router.
        with: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// It is no longer.
    ConflictOver {
        /// Which member.
        member: usize,
    },
    /// It should have given way by now: it does not hear this router, or discards its adverts.
    NotHeard {
        /// Which member.
        member: usize,
        /// The other router.
        by: IpAddr,
    },
    /// Another router says that it owns the addresses as well.
    SecondOwner {
        /// Which member.
        member: usize,
        /// The other router.
        by: IpAddr,
    },
    /// The peer has taken over; the addresses are released soon.
    TakenOver {
        /// The peer.
        by: IpAddr,
    },
    /// No peer has taken over, or it fell silent again. This router stays active.
    HandoverFailed,
    /// A claim was refused: not running, or the active router has 254 or 255.
    ClaimRefused,
    /// A yield or a claim has ended.
    HoldOver,
    /// The timer came this late; the backup listens again before it claims.
    Stalled {
        /// By how much.
        late: Duration,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntervalLearned { member, interval } => {
                write!(
                    f,
                    "member {member}: the active router sends every {interval}"
                )
            }
            Self::ChecksumLearned { member, form } => {
                write!(
                    f,
                    "member {member}: peers send the checksum {form}; so do we"
                )
            }
            Self::AddressesDiffer {
                member,
                theirs,
                ours,
            } => write!(
                f,
                "member {member}: the peer advertises {}, this router {ours}, and they differ",
                addresses(*theirs)
            ),
            Self::AddressesAgree { member } => {
                write!(
                    f,
                    "member {member}: both sides advertise the same addresses"
                )
            }
            Self::MemberSilent { member } => write!(
                f,
                "member {member}: no adverts from the active router, which is heard on other members"
            ),
            Self::Conflict {
                member,
                with,
                priority,
            } => write!(
                f,
                "member {member}: {with} is active too, with priority {priority}"
            ),
            Self::ConflictOver { member } => {
                write!(f, "member {member}: no other router is active any more")
            }
            Self::NotHeard { member, by } => write!(
                f,
                "member {member}: {by} does not give way: it does not receive our adverts \
                 (multicast snooping, a filter) or discards them (checksum, password, addresses)"
            ),
            Self::SecondOwner { member, by } => {
                write!(
                    f,
                    "member {member}: {by} has priority 255 too; only one router owns"
                )
            }
            Self::TakenOver { by } => write!(f, "{by} has taken over"),
            Self::HandoverFailed => f.write_str("no peer has taken over; still active"),
            Self::ClaimRefused => {
                f.write_str("claim refused: not running, or the active router cannot be outranked")
            }
            Self::HoldOver => f.write_str("the yield or claim has ended"),
            Self::Stalled { late } => {
                write!(f, "did not run for {} ms; listens first", late.as_millis())
            }
        }
    }
}
