//! The consequences of a verdict for the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};
use serde::Serialize;

use super::{CheckSpec, Combine};
use crate::state::discovery::Discovery;
use crate::state::{DesiredServer, Servers, Share};

/// The health settings of one service file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// By listen address, for exactly the services of [`Desired`](crate::state::Desired).
    pub services: BTreeMap<ServiceKey, Arc<ServiceWatch>>,
    /// The daemon's own settings.
    pub run: RunSettings,
}

/// The daemon's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSettings {
    /// How often the daemon compares the kernel's tables with the wanted ones; 100 ms to a day.
    pub reconcile: Duration,
    /// The firewall marks of the private services of checks through the forwarding path.
    pub marks: MarkRange,
    /// The source ports of such checks, both ends included.
    pub ports: (u16, u16),
    /// How much of the past is kept.
    pub history: HistoryLimits,
    /// The pools that find their servers, in the order of the files.
    pub discoveries: Arc<[Discovery]>,
}

/// How much of the past the daemon keeps on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimits {
    /// The most bytes; 0 keeps no history.
    pub size: u64,
    /// The longest time; an hour to ten years.
    pub age: Duration,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            size: 64 << 20,
            age: Duration::from_secs(7 * 86_400),
        }
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            reconcile: Duration::from_secs(5),
            marks: MarkRange::DEFAULT,
            ports: (20_000, 29_999),
            history: HistoryLimits::default(),
            discoveries: Arc::default(),
        }
    }
}

/// A range of firewall marks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkRange {
    /// The first mark, not 0.
    pub first: u32,
    /// The last mark, not below the first.
    pub last: u32,
}

impl Default for MarkRange {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl MarkRange {
    /// Far from what people choose by hand.
    pub const DEFAULT: Self = Self {
        first: 0x6d00_0000,
        last: 0x6d00_ffff,
    };

    /// Whether a mark is in the range.
    #[must_use]
    pub const fn contains(self, mark: u32) -> bool {
        self.first <= mark && mark <= self.last
    }
}

/// The health settings of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceWatch {
    /// The checks of its servers. Without any, a server is always up.
    pub checks: Arc<[Arc<CheckSpec>]>,
    /// How the checks make one verdict.
    pub combine: Combine,
    /// Servers with settings of their own.
    pub servers: BTreeMap<ServerKey, ServerWatch>,
    /// The pool that discovers its servers; `None` if the file has them.
    pub pool: Option<Arc<str>>,
    /// Servers that join when too few others are up.
    pub backup: Servers<DesiredServer>,
    /// The backup servers join when fewer than this many servers are up. One by default.
    pub backup_below: Option<Threshold>,
    /// Servers that join when no other is left. They are not checked.
    pub sorry: Servers<DesiredServer>,
    /// What to do with a server that is down.
    pub on_fail: OnFail,
    /// The number of servers that stay in, up or down.
    pub min_healthy: Option<Threshold>,
    /// What has to be up for the service to count as up.
    pub quorum: Option<Quorum>,
    /// How a new server starts.
    pub initial: Initial,
    /// How long a returning server takes to reach its full weight; zero for immediately.
    pub slow_start: Duration,
    /// How flapping is damped; `None` if it is not.
    pub damping: Option<Damping>,
    /// How fast a dynamic weight may change.
    pub weight_steps: WeightSteps,
    /// Commands to run on events.
    pub notify: Arc<[Notify]>,
}

impl ServiceWatch {
    /// The checks of one server.
    #[must_use]
    pub fn checks_of(&self, server: &ServerKey) -> &[Arc<CheckSpec>] {
        let own = self.servers.get(server).and_then(|own| own.checks.as_ref());
        own.unwrap_or(&self.checks)
    }

    /// Whether any of these servers, or a backup server, is checked.
    #[must_use]
    pub fn has_checks(&self, servers: &Servers<DesiredServer>) -> bool {
        let mut servers = servers.keys().chain(self.backup.keys());
        servers.any(|server| !self.checks_of(server).is_empty())
    }

    /// How one server begins when it is new.
    #[must_use]
    pub fn initial_of(&self, server: &ServerKey) -> Initial {
        let own = self.servers.get(server).and_then(|own| own.initial);
        own.unwrap_or(self.initial)
    }

    /// How many successes in a row a new server needs before it joins; `None` if it joins immediately.
    #[must_use]
    pub fn successes_to_join(&self, server: &ServerKey) -> Option<u32> {
        if self.initial_of(server) == Initial::Up {
            return None;
        }
        let rises = self.checks_of(server).iter().map(|check| check.pace.rise);
        match self.combine {
            Combine::All => rises.max(),
            Combine::Any => rises.min(),
        }
    }

    /// Whether a server is a backup or a sorry server.
    #[must_use]
    pub fn has_spare(&self, server: &ServerKey) -> bool {
        self.backup.contains_key(server) || self.sorry.contains_key(server)
    }
}

/// What is said of one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerWatch {
    /// Its own checks in place of the service's.
    pub checks: Option<Arc<[Arc<CheckSpec>]>>,
    /// How it starts.
    pub initial: Option<Initial>,
}

/// What to do with a server that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFail {
    /// Weight 0; it keeps its connections. Where weight 0 does harm (UDP, `dh`, one-packet,
    /// persistence without quiescent expiry, `sh` and `mh` without a fallback flag that can be
    /// lent), the server is removed instead.
    #[default]
    Drain,
    /// Deleted with its connections.
    Remove,
}

/// The start of a server that its service did not have before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Initial {
    /// Out, until its checks have succeeded `rise` times.
    #[default]
    Down,
    /// In, until they have failed `fall` times.
    Up,
}

/// A number of servers, or a share of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Threshold {
    /// This many servers.
    Count(u32),
    /// This share of all declared servers, rounded up.
    Part(Share),
}

impl Threshold {
    /// The resulting number for this many servers; never more than there are.
    #[must_use]
    pub fn of(self, servers: usize) -> usize {
        let asked = match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Self::Part(share) => (servers * usize::from(share.get())).div_ceil(100),
        };
        asked.min(servers)
    }
}

/// What has to be up for a service to count as up, as keepalived means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quorum {
    /// The sum of the weights of the servers that are up, at least 1.
    pub weight: u32,
    /// How far the sum has to go beyond that for the state to change; less than `weight`.
    pub hysteresis: u32,
}

impl Quorum {
    /// Whether it is lost at this sum of weights, if it was or was not before.
    #[must_use]
    pub const fn is_lost(self, before: bool, sum: u64) -> bool {
        let (weight, hysteresis) = (self.weight as u64, self.hysteresis as u64);
        if before {
            sum < weight + hysteresis
        } else {
            sum == 0 || sum < weight.saturating_sub(hysteresis)
        }
    }
}

/// Holds a server out if its verdict changes too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Damping {
    /// The number of changes that are tolerated, at least 1 ...
    pub changes: u32,
    /// ... within this time.
    pub within: Duration,
    /// How long the server then stays out; doubles each time ...
    pub hold: Duration,
    /// ... up to this. A time of `within` without a hold resets it to `hold`.
    pub max_hold: Duration,
}

impl Default for Damping {
    fn default() -> Self {
        Self {
            changes: 4,
            within: Duration::from_secs(120),
            hold: Duration::from_secs(60),
            max_hold: Duration::from_secs(1800),
        }
    }
}

/// How fast a dynamic weight may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WeightSteps {
    /// The largest change, as a share of the declared weight (at least 1) ...
    pub step: Share,
    /// ... in this time.
    pub every: Duration,
}

impl Default for WeightSteps {
    fn default() -> Self {
        Self {
            step: Share::percent(20),
            every: Duration::from_secs(5),
        }
    }
}

/// A command to run on events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notify {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The events that trigger it.
    pub on: BTreeSet<NotifyOn>,
    /// The timeout after which it is killed.
    pub timeout: Duration,
}

/// An event that triggers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotifyOn {
    /// A server is up again.
    ServerUp,
    /// A server is down.
    ServerDown,
    /// Fewer servers are up than `min_healthy`.
    ServiceBelow,
    /// At least `min_healthy` servers are up again.
    ServiceAbove,
    /// The servers that are up weigh less than the quorum.
    QuorumLost,
    /// They weigh enough again.
    QuorumGained,
}

#[cfg(test)]
mod tests {
    use super::Quorum;

    /// The states at these sums, one after the other; `-` where it is lost.
    fn states(weight: u32, hysteresis: u32, sums: &[u64]) -> String {
        let quorum = Quorum { weight, hysteresis };
        let mut lost = false;
        let states = sums.iter().map(|sum| {
            lost = quorum.is_lost(lost, *sum);
            // The same sum again changes nothing.
            assert_eq!(quorum.is_lost(lost, *sum), lost);
            if lost { '-' } else { '+' }
        });
        states.collect()
    }

    #[test]
    fn hysteresis_is_below_the_quorum_on_the_way_down_and_above_on_the_way_up() {
        assert_eq!(states(2, 0, &[3, 2, 1, 2, 3, 0, 1]), "++-++--");
        assert_eq!(states(3, 1, &[4, 3, 2, 1, 2, 3, 4, 3, 2, 1]), "+++---+++-");
        assert_eq!(states(1, 0, &[1, 0, 1]), "+-+");
        // Nothing at all is never enough.
        assert_eq!(states(2, 1, &[1, 0]), "+-");
    }
}
