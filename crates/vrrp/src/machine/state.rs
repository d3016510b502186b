//! States, and where the machine is within them.

use std::fmt;
use std::time::Duration;

/// The state of a virtual router (RFC 9568, 6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Neither claims nor listens for its turn: not started, stopped, in a startup delay or faulty.
    Initialize,
    /// Another router is active, or it waits for one to speak.
    Backup,
    /// It holds the addresses.
    Active,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
        })
    }
}

/// Where exactly it is within its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Initialize: not started, or stopped.
    Stopped,
    /// Initialize: claims nothing until ready, at the latest at this time.
    Starting {
        /// The end of the startup delay.
        until: Duration,
    },
    /// Initialize: a member cannot send or receive.
    Fault,
    /// Backup.
    Backup,
    /// Active, and says so.
    Active,
    /// Active: asks its peer to take over, and keeps the addresses until it hears it.
    Yielding {
        /// When it gives up asking.
        until: Duration,
    },
    /// Active: the peer has taken over; the addresses stay for packets on their way.
    Lingering {
        /// When the peer was first heard.
        since: Duration,
    },
}

impl Phase {
    /// The state of the protocol.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::Stopped | Self::Starting { .. } | Self::Fault => State::Initialize,
            Self::Backup => State::Backup,
            Self::Active | Self::Yielding { .. } | Self::Lingering { .. } => State::Active,
        }
    }
}
