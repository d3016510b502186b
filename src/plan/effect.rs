//! What a step does to traffic.

use std::fmt;
use std::time::Duration;

use crate::words::count;

/// One consequence of a step for those who use the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connections whose packets are dropped from then on, or that are reset.
    Cut {
        /// How many, active and inactive.
        connections: u64,
    },
    /// Connections that go on until they end by themselves, or that time is over.
    Drained {
        /// How many, active and inactive.
        connections: u64,
        /// How long at the most.
        at_most: Duration,
    },
    /// Clients that lose the server they stuck to.
    PersistenceLost {
        /// How many templates point to the server or belong to the service.
        templates: u64,
    },
    /// The part of the service's weight that goes, in percent, rounded up.
    WeightTaken {
        /// 1 to 100.
        percent: u8,
    },
    /// New connections are refused while the scheduler is exchanged, for one grace period.
    NewRefusedBriefly,
    /// Persistent clients keep coming to a server of weight 0 until the drain is over, because
    /// the sysctl `expire_quiescent_template` is off.
    TemplatesKeepComing,
    /// Existing connections keep the forwarding method that they began with.
    OldMethodKept,
    /// Existing connections switch to the new tunnel at once.
    TunnelSwitched,
    /// Every new client is refused from then on.
    ServiceGone,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { connections } => {
                let connections = count(*connections, "connection is", "connections are");
                write!(f, "{connections} cut")
            }
            Self::Drained {
                connections: 0,
                at_most,
            } => write!(f, "idle; goes within {}s", at_most.as_secs()),
            Self::Drained {
                connections,
                at_most,
            } => {
                let live = count(*connections, "connection lives", "connections live");
                write!(f, "{live} on, at most {}s", at_most.as_secs())
            }
            Self::PersistenceLost { templates } => count(
                *templates,
                "persistent client loses its server",
                "persistent clients lose their server",
            )
            .fmt(f),
            Self::WeightTaken { percent } => write!(f, "{percent}% of the service's weight goes"),
            Self::NewRefusedBriefly => {
                f.write_str("new connections are refused for a moment while schedulers change")
            }
            Self::TemplatesKeepComing => f.write_str(
                "persistent clients keep coming until the drain ends (expire_quiescent_template \
                 is off)",
            ),
            Self::OldMethodKept => {
                f.write_str("existing connections keep the old forwarding method")
            }
            Self::TunnelSwitched => f.write_str("existing connections use the new tunnel at once"),
            Self::ServiceGone => f.write_str("new clients are refused"),
        }
    }
}
