//! One health check: what it asks, how often, and from where.

use std::net::IpAddr;
use std::time::Duration;

use crate::kinds::CheckKind;
use crate::state::Share;

/// A health check as declared, shared by all servers that have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CheckSpec {
    /// What the check asks.
    pub kind: CheckKind,
    /// The timing, and the results needed for a verdict.
    pub pace: Pace,
    /// The destination and the source.
    pub at: CheckAt,
}

/// How often a server is checked, and how many results make a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// From the start of a check to the start of the next, 10 ms to a day.
    pub interval: Duration,
    /// The interval while the verdict is open: from the first result against the verdict until the
    /// verdict is certain again.
    pub fast_interval: Duration,
    /// From connecting to the last byte, 1 ms to an hour. A check that takes longer than the
    /// interval delays the next; two checks of one target never overlap.
    pub timeout: Duration,
    /// The consecutive successes that bring a server back, at least 1.
    pub rise: u32,
    /// The consecutive failures that take a server out, at least 1.
    pub fall: u32,
    /// The largest random deviation of each interval, so that many checks do not run in step. At
    /// most 50 %.
    pub jitter: Share,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            jitter: Share::percent(5),
        }
    }
}

/// Where a check goes, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CheckAt {
    /// Another address than the server's.
    pub address: Option<IpAddr>,
    /// Another port than the server's. Required for a server of a firewall mark without a port.
    pub port: Option<u16>,
    /// The source addresses, at most one per family.
    pub source: Vec<IpAddr>,
    /// The firewall mark of its packets (`SO_MARK`).
    pub mark: Option<u32>,
    /// Whether to use the forwarding path: to the virtual address, on this server. For `dr` and
    /// `tun` only.
    pub through: bool,
}

/// How several checks of one server make one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Combine {
    /// Up if all of them are.
    #[default]
    All,
    /// Up if one of them is.
    Any,
}
