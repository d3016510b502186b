//! One health check: what is asked, how often, and from where.

use std::net::IpAddr;
use std::time::Duration;

use crate::kinds::CheckKind;
use crate::state::Share;

/// A health check as declared, the same for all servers that have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CheckSpec {
    /// What is asked.
    pub kind: CheckKind,
    /// How often, and how many answers make a verdict.
    pub pace: Pace,
    /// Where it goes, and what it leaves with.
    pub at: CheckAt,
}

/// How often a server is checked, and how many answers make a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    /// From the start of a check to the start of the next, 10 ms to a day.
    pub interval: Duration,
    /// The interval while the verdict is open: from the first answer that speaks against the
    /// verdict until it stands again.
    pub fast_interval: Duration,
    /// From connecting to the last byte, 1 ms to an hour. A check that takes longer than the
    /// interval delays the next; two of one target never overlap.
    pub timeout: Duration,
    /// So many successes in a row bring a server back, at least 1.
    pub rise: u32,
    /// So many failures in a row take a server out, at least 1.
    pub fall: u32,
    /// Each interval is longer or shorter by up to this part of it, so that many checks do not
    /// march in step. At most 50 %.
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

/// Where a check goes, and what it leaves with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CheckAt {
    /// Another address than the server's.
    pub address: Option<IpAddr>,
    /// Another port than the server's. A server of a firewall mark without a port needs one.
    pub port: Option<u16>,
    /// The source addresses, at most one of each family.
    pub source: Vec<IpAddr>,
    /// The firewall mark of its packets (`SO_MARK`).
    pub mark: Option<u32>,
    /// Through the forwarding path: to the virtual address, on that very server. For `dr` and
    /// `tun` only.
    pub through: bool,
}

/// How several checks of one server make one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Combine {
    /// Up when all of them are.
    #[default]
    All,
    /// Up when one of them is.
    Any,
}
