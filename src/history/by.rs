//! What a change was made by.

use serde::{Deserialize, Serialize};

use crate::control::event::EventKind;

/// What a change was made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The service file.
    File,
    /// A check's verdict.
    Check,
    /// The server's agent.
    Agent,
    /// An operator.
    Operator,
    /// Another program.
    Drift,
    /// Failover.
    Failover,
    /// Announcements: health, damping, or the kernel.
    Announce,
    /// The source of a pool's servers.
    Discovery,
    /// director itself: a growing weight, a drain that is over, its start and stop.
    Director,
    /// Something while no director ran.
    Absence,
}

impl By {
    /// The name in the API and for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Check => "check",
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Drift => "drift",
            Self::Failover => "failover",
            Self::Announce => "announce",
            Self::Discovery => "discovery",
            Self::Director => "director",
            Self::Absence => "absence",
        }
    }

    /// What an event of this kind comes from.
    #[must_use]
    pub const fn of(kind: EventKind) -> Self {
        use EventKind as Kind;
        match kind {
            Kind::ServerUp
            | Kind::ServerDown
            | Kind::ServerHeld
            | Kind::ServerKept
            | Kind::CommonCause
            | Kind::NotChecked
            | Kind::Checked
            | Kind::ServiceBelow
            | Kind::ServiceAbove
            | Kind::QuorumLost
            | Kind::QuorumGained => Self::Check,
            Kind::Agent => Self::Agent,
            Kind::Drift | Kind::Foreign => Self::Drift,
            Kind::Drained
            | Kind::Undrained
            | Kind::Weight
            | Kind::Disabled
            | Kind::Enabled
            | Kind::Expired
            | Kind::FailoverHold => Self::Operator,
            Kind::Reloading | Kind::Loaded | Kind::ChecksRemoved | Kind::Rejected => Self::File,
            Kind::FailoverActive
            | Kind::FailoverBackup
            | Kind::FailoverFault
            | Kind::FailoverStopped
            | Kind::FailoverConflict
            | Kind::FailoverAgrees
            | Kind::FailoverPeer
            | Kind::FailoverLate
            | Kind::FailoverAddress
            | Kind::FailoverSynced
            | Kind::PeerUp
            | Kind::PeerDown
            | Kind::PeerDiffers
            | Kind::PeerAgrees
            | Kind::PeerRefused
            | Kind::ResyncStarted
            | Kind::ResyncDone
            | Kind::ResyncFailed
            | Kind::RelayStarted
            | Kind::RelayStopped
            | Kind::RelayDropped
            | Kind::FailoverKept
            | Kind::FailoverWeak => Self::Failover,
            Kind::Announced
            | Kind::Withdrawn
            | Kind::AnnounceDamped
            | Kind::AnnounceTrouble
            | Kind::AnnounceRestored => Self::Announce,
            Kind::Discovered | Kind::DiscoveryRefused | Kind::DiscoveryRestored => Self::Discovery,
            Kind::KernelRefused
            | Kind::Forgotten
            | Kind::NotKept
            | Kind::Kept
            | Kind::StateDamaged
            | Kind::Stalled
            | Kind::Answers
            | Kind::HistoryPaused
            | Kind::HistoryResumed
            | Kind::NamespaceGone => Self::Director,
        }
    }

    /// The same for the kind's name; one that only a newer director has counts as director's own.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        let mut all = EventKind::ALL.iter();
        let found = all.find(|kind| kind.word() == word);
        found.map_or(Self::Director, |kind| Self::of(*kind))
    }
}
