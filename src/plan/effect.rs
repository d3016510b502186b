//! The effects of a step on traffic.

use std::fmt;
use std::time::Duration;

use crate::words::count;

/// One effect of a step on the service's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connections whose packets are dropped, or that are reset.
    Cut {
        /// Their number, active and inactive.
        connections: u64,
    },
    /// Connections that continue until they end, or until the drain time is over.
    Drained {
        /// Their number, active and inactive.
        connections: u64,
        /// The longest drain time.
        at_most: Duration,
    },
    /// Clients that lose their persistent server.
    PersistenceLost {
        /// The number of templates that belong to the server or service.
        templates: u64,
    },
    /// The lost part of the service's weight, in percent, rounded up.
    WeightTaken {
        /// 1 to 100.
        percent: u8,
    },
    /// New connections are refused for one grace period while the scheduler is replaced.
    NewRefusedBriefly,
    /// Persistent clients keep coming to a server of weight 0 until the drain ends, because the
    /// sysctl `expire_quiescent_template` is off.
    TemplatesKeepComing,
    /// Existing connections keep their forwarding method.
    OldMethodKept,
    /// Existing connections switch to the new tunnel immediately.
    TunnelSwitched,
    /// New clients are refused.
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
            Self::WeightTaken { percent } => write!(
                f,
                "{percent}% of the service's weight is \
                                                        lost"
            ),
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
            Self::TunnelSwitched => f.write_str(
                "existing connections switch to the new tunnel \
                                                 immediately",
            ),
            Self::ServiceGone => f.write_str("new clients are refused"),
        }
    }
}
