//! A snapshot of the whole state, for whoever shows it: `status`, the API, later metrics and
//! pages.
//!
//! The core replaces the part of a service when that changes, and publishes a new snapshot made of
//! the same parts. Whoever reads it holds no lock while reading.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ipvs::{Server, ServerKey, Service, ServiceKey};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Now;
use super::announce::AnnounceStatus;
use super::discovery::PoolStatus;
use super::event::Event;
use super::failover::FailoverStatus;
use super::meters::Meters;
use super::operator::Setting;
use super::peer::PeerStatus;
use crate::check::Record;
use crate::state::health::{CheckSpec, HistoryLimits, MarkRange};
use crate::state::{BootTime, Sysctl};

/// The whole state at one time.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows by one with each new snapshot.
    pub revision: u64,
    /// When it was made, by the clock of its dates; `None` if unknown.
    pub at: Option<Now>,
    /// The path of the service file.
    pub file: Arc<str>,
    /// The firewall marks of private services, which no one is shown.
    pub marks: MarkRange,
    /// How much of the past is kept.
    pub history: HistoryLimits,
    /// When the director started.
    pub started: Option<SystemTime>,
    /// When the file in force came into force.
    pub loaded: Option<SystemTime>,
    /// Why a newer file was rejected; its mistakes as `check` reports them.
    pub rejected: Option<Arc<str>>,
    /// What rejected it.
    pub rejected_by: RejectedBy,
    /// The services, including those that are leaving.
    pub services: BTreeMap<ServiceKey, Arc<ServiceStatus>>,
    /// Services in the kernel that director does not own.
    pub foreign: Arc<[ServiceKey]>,
    /// Machines in maintenance.
    pub disabled: BTreeMap<std::net::IpAddr, Setting<()>>,
    /// The failover sections.
    pub failovers: BTreeMap<Arc<str>, Arc<FailoverStatus>>,
    /// The other directors.
    pub peers: BTreeMap<Arc<str>, Arc<PeerStatus>>,
    /// The announce sections.
    pub announced: BTreeMap<Arc<str>, Arc<AnnounceStatus>>,
    /// The pools that find their servers.
    pub discovered: BTreeMap<Arc<str>, Arc<PoolStatus>>,
    /// When a comparison of the kernel with the believed tables last found no difference.
    pub reconciled: Option<SystemTime>,
    /// The reason why the kernel is not in sync.
    pub trouble: Option<Arc<str>>,
    /// Differences from the declaration that director only reports (`policy.drift`).
    pub drift: Arc<[Difference]>,
    /// Declared sysctls that this kernel does not have.
    pub lacking: Arc<[Sysctl]>,
}

impl Snapshot {
    /// The calendar time by the clock of the snapshot's dates. Until the core notices that the date
    /// was set, all its dates are by the old clock, and the time left until a deadline must not
    /// change.
    #[must_use]
    pub fn date(&self, boot: BootTime) -> Option<SystemTime> {
        self.at.map(|at| at.calendar(boot))
    }
}

/// What rejects a service file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectedBy {
    /// The file has mistakes.
    #[default]
    Mistakes,
    /// A guard: the file would take too much away. Whoever wants that forces the reload.
    Guard,
    /// The kernel or the machine: the file could not be put in force.
    Failure,
}

/// A rejected file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What rejected it.
    pub by: RejectedBy,
    /// Why, for people.
    pub why: String,
}

impl Rejection {
    /// A file that has mistakes.
    #[must_use]
    pub const fn mistakes(why: String) -> Self {
        let by = RejectedBy::Mistakes;
        Self { by, why }
    }

    /// A file that a guard stopped.
    #[must_use]
    pub const fn guard(why: String) -> Self {
        let by = RejectedBy::Guard;
        Self { by, why }
    }

    /// A file that could not be put in force.
    #[must_use]
    pub const fn failure(why: String) -> Self {
        let by = RejectedBy::Failure;
        Self { by, why }
    }
}

/// A difference between the kernel and the declaration that stays, because director only reports
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The service; `None` for settings of the whole kernel.
    pub listen: Option<ServiceKey>,
    /// The service's name in the file.
    pub name: Option<Arc<str>>,
    /// What differs, for people.
    pub text: Arc<str>,
}

/// The status of a service.
#[derive(Debug, Clone)]
pub struct ServiceStatus {
    /// The name in the file.
    pub name: Arc<str>,
    /// The configuration that the kernel should have now: for example with the fallback flag that
    /// is lent while a server drains.
    pub service: Service,
    /// The configuration in the file; for a leaving service, the last one in the file.
    pub as_declared: Service,
    /// The pool that discovers its servers; `None` if the file has them.
    pub pool: Option<Arc<str>>,
    /// Its servers, declared, backup, sorry and leaving, ordered by role and key.
    pub servers: Vec<ServerStatus>,
    /// The number of declared servers that are up.
    pub up: usize,
    /// The number of declared servers.
    pub declared: usize,
    /// The number of servers that must stay in.
    pub min_healthy: usize,
    /// Whether fewer servers than that are up, so that servers that are down stay in.
    pub panic: bool,
    /// The state of the quorum, if there is one.
    pub quorum: Option<QuorumStatus>,
    /// Whether the service is no longer declared, and is deleted once its connections have ended.
    pub leaving: bool,
}

impl ServiceStatus {
    /// How well it is.
    #[must_use]
    pub fn state(&self) -> ServiceState {
        let is_trouble = |server: &ServerStatus| server.state.is_trouble();
        match self.up {
            _ if self.leaving => ServiceState::Leaving,
            _ if self.quorum.is_some_and(|quorum| quorum.lost) => ServiceState::Failed,
            up if up < self.declared && up < self.min_healthy.max(1) => ServiceState::Failed,
            up if up < self.declared => ServiceState::Degraded,
            // A backup server is down, for example.
            _ if self.servers.iter().any(is_trouble) => ServiceState::Degraded,
            _ => ServiceState::Ok,
        }
    }
}

/// How well a service is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// No server is up, or fewer than `min_healthy`, or the quorum is lost.
    Failed,
    /// Some of its servers are not up.
    Degraded,
    /// No longer declared: deleted once its connections have ended.
    Leaving,
    /// All declared servers are up.
    Ok,
}

impl ServiceState {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Degraded, Self::Leaving, Self::Ok];

    /// The name in the API and in options.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Leaving => "leaving",
            Self::Ok => "ok",
        }
    }
}

/// The state of a service's quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumStatus {
    /// What the servers that are up weigh together.
    pub weight: u64,
    /// What they have to weigh.
    pub needed: u32,
    /// How far beyond that they have to get for the state to change.
    pub hysteresis: u32,
    /// Whether it is lost: the service is out.
    pub lost: bool,
}

impl ServiceStatus {
    /// Whether the service is out: its quorum is lost, or no server for clients is usable. What a
    /// failover section follows.
    ///
    /// A failed server that stays in because too few are left is not usable. A service that
    /// declares no servers is not out: another director has none for it either.
    #[must_use]
    pub fn is_out(&self) -> bool {
        let is_usable = |server: &ServerStatus| {
            let weight = server.server.map_or(0, |server| server.weight.get());
            weight > 0
                && server.state != ServerState::Panic
                && matches!(server.role, Role::Regular | Role::Backup)
        };
        let is_without = self.declared > 0 && !self.servers.iter().any(is_usable);
        self.quorum.is_some_and(|quorum| quorum.lost) || is_without
    }
}

/// The status of a server.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// The name in the file.
    pub name: Option<Arc<str>>,
    /// The role of the server.
    pub role: Role,
    /// The configuration that the kernel should have now; `None` if the server should not be there.
    pub server: Option<Server>,
    /// The configuration in the file; for a leaving server, the last one in the file. Its key is
    /// always the server's.
    pub as_declared: Server,
    /// The state of the server.
    pub state: ServerState,
    /// The reason for the state, for people.
    pub reason: Arc<str>,
    /// Since when its checks have had their verdict; without checks, since when it is in this
    /// state.
    pub since: SystemTime,
    /// Since when it is in this state.
    pub entered: SystemTime,
    /// When the state ends by itself at the latest: a ramp, a hold, a drain with a deadline.
    pub until: Option<SystemTime>,
    /// The operator's drain.
    pub drain: Option<Box<Setting<()>>>,
    /// The operator's weight.
    pub weight: Option<Box<Setting<u32>>>,
    /// Its checks and their results.
    pub checks: Vec<(Arc<CheckSpec>, Arc<Record>)>,
}

impl ServerStatus {
    /// The server's key.
    #[must_use]
    pub const fn key(&self) -> ServerKey {
        self.as_declared.key
    }
}

/// The role of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Serves clients.
    Regular,
    /// Serves when too few others are up.
    Backup,
    /// Serves when no other is left.
    Sorry,
}

/// The state of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerState {
    /// Up, with its full weight.
    Up,
    /// Up, with a weight that still grows.
    Warming,
    /// Without a verdict yet: in or out as it was found, or as `initial` says.
    Pending,
    /// Down: at weight 0 or removed.
    Down,
    /// Down, but kept in because too few are left.
    Panic,
    /// Held out because its verdict changed too often.
    Held,
    /// Drained by an operator or its agent.
    Drained,
    /// Its machine is in maintenance.
    Disabled,
    /// A backup or sorry server that is not needed, or any other while the quorum is lost.
    Standby,
    /// No longer declared: deleted once its connections have ended.
    Leaving,
}

impl ServerState {
    /// All states, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Up,
        Self::Warming,
        Self::Pending,
        Self::Down,
        Self::Panic,
        Self::Held,
        Self::Drained,
        Self::Disabled,
        Self::Standby,
        Self::Leaving,
    ];

    /// All states, the worst first.
    pub const WORST_FIRST: [Self; 10] = [
        Self::Panic,
        Self::Down,
        Self::Held,
        Self::Pending,
        Self::Warming,
        Self::Drained,
        Self::Disabled,
        Self::Leaving,
        Self::Standby,
        Self::Up,
    ];

    /// The name in the API, in metrics and in options.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Warming => "warming",
            Self::Pending => "pending",
            Self::Down => "down",
            Self::Panic => "panic",
            Self::Held => "held",
            Self::Drained => "drained",
            Self::Disabled => "disabled",
            Self::Standby => "standby",
            Self::Leaving => "leaving",
        }
    }

    /// Its place in [`ServerState::WORST_FIRST`]: the lower, the worse.
    #[must_use]
    pub fn rank(self) -> usize {
        Self::WORST_FIRST
            .iter()
            .position(|state| *state == self)
            .unwrap_or(Self::WORST_FIRST.len())
    }

    /// Whether the server does not serve although it should.
    #[must_use]
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Panic | Self::Down | Self::Held)
    }

    /// Whether there is nothing to say about it.
    #[must_use]
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Up | Self::Standby)
    }
}

impl Role {
    /// The name in the API and in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Backup => "backup",
            Self::Sorry => "sorry",
        }
    }
}

/// Where the core puts the snapshot and the events, and everybody else reads them.
#[derive(Debug, Default)]
pub struct Published {
    /// What the director counts of its own work.
    pub meters: Meters,
    inner: Mutex<BoardInner>,
    changed: Condvar,
    /// Wakes readers on a runtime.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct BoardInner {
    snapshot: Arc<Snapshot>,
    events: VecDeque<Arc<Event>>,
    next: u64,
}

/// The number of events kept.
const EVENTS: usize = 4096;

impl Published {
    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().snapshot.clone()
    }

    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: Snapshot) {
        self.lock().snapshot = Arc::new(snapshot);
        self.tell();
    }

    /// Adds an event and numbers it.
    pub fn record(&self, mut event: Event) {
        self.meters.event(event.kind);
        let mut inner = self.lock();
        event.id = inner.next;
        inner.next += 1;
        if inner.events.len() == EVENTS {
            inner.events.pop_front();
        }
        inner.events.push_back(Arc::new(event));
        drop(inner);
        self.tell();
    }

    /// The events that are still kept, from a number on, and the number of the next one.
    #[must_use]
    pub fn events(&self, from: u64) -> (Vec<Arc<Event>>, u64) {
        let inner = self.lock();
        // Event numbers have no gaps.
        let first = inner.events.front().map_or(inner.next, |event| event.id);
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let events = inner.events.iter().skip(skipped);
        (events.cloned().collect(), inner.next)
    }

    /// The number of the next event.
    #[must_use]
    pub fn next_event(&self) -> u64 {
        self.lock().next
    }

    /// Waits for a new snapshot or event, for at most so long.
    pub fn wait(&self, at_most: Duration) {
        let inner = self.lock();
        drop(
            self.changed
                .wait_timeout(inner, at_most)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Where whoever waits on a runtime hears of each new snapshot and event.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Wakes those who wait, although nothing is new.
    pub fn wake(&self) {
        self.tell();
    }

    fn tell(&self) {
        self.changed.notify_all();
        self.changes.send_replace(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BoardInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
