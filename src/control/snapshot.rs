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
use super::event::Event;
use super::operator::Setting;
use crate::check::Record;
use crate::state::BootTime;
use crate::state::health::{CheckSpec, MarkRange};

/// All that is known at one time.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows by one with each new snapshot.
    pub revision: u64,
    /// When that was, by the clock that its dates are of; `None` if nobody says.
    pub at: Option<Now>,
    /// The service file.
    pub file: Arc<str>,
    /// The firewall marks of private services, which nobody is shown.
    pub marks: MarkRange,
    /// When the director started, and the file was read last.
    pub started: Option<SystemTime>,
    /// When the file that is in force was read.
    pub loaded: Option<SystemTime>,
    /// What is wrong with the newer file that is not in force, as `check` says it.
    pub rejected: Option<Arc<str>>,
    /// The services, those that leave too.
    pub services: BTreeMap<ServiceKey, Arc<ServiceStatus>>,
    /// Services in the kernel that are not ours.
    pub foreign: Arc<[ServiceKey]>,
    /// Machines in maintenance.
    pub disabled: BTreeMap<std::net::IpAddr, Setting<()>>,
    /// When the kernel was last seen to be, or made, as it should be.
    pub reconciled: Option<SystemTime>,
    /// What keeps the kernel from being as it should.
    pub trouble: Option<Arc<str>>,
}

impl Snapshot {
    /// What the date is, as its dates have it: until the core has seen that the date was set, all
    /// of them are of the old one, and what is left of a deadline must not change.
    #[must_use]
    pub fn date(&self, boot: BootTime) -> Option<SystemTime> {
        self.at.map(|at| at.calendar(boot))
    }
}

/// A service.
#[derive(Debug, Clone)]
pub struct ServiceStatus {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Its configuration as it should be in the kernel now: with the fallback flag, say, that is
    /// lent to it while a server drains.
    pub service: Service,
    /// Its configuration as the file has it; of a service that leaves, as the file had it.
    pub as_declared: Service,
    /// Its servers: declared, backup, sorry, and those that leave; by role and key.
    pub servers: Vec<ServerStatus>,
    /// How many of the declared servers are well.
    pub up: usize,
    /// How many are declared.
    pub declared: usize,
    /// How many must stay in.
    pub min_healthy: usize,
    /// Fewer than that are well: servers that are down are kept in.
    pub panic: bool,
    /// It is no longer declared and goes when its connections are gone.
    pub leaving: bool,
}

/// A server of a service.
#[derive(Debug, Clone)]
pub struct ServerStatus {
    /// Its name in the file.
    pub name: Option<Arc<str>>,
    /// What it is there for.
    pub role: Role,
    /// Its configuration as it should be in the kernel now; `None` if it is not to be there.
    pub server: Option<Server>,
    /// Its configuration as the file has it; of a server that leaves, as the file had it. Its key
    /// is the server's, there or not.
    pub as_declared: Server,
    /// How it is.
    pub state: ServerState,
    /// Why it is so, in words.
    pub reason: Arc<str>,
    /// Since when.
    pub since: SystemTime,
    /// When the state ends by itself at the latest: a ramp, a hold, a drain with a deadline.
    pub until: Option<SystemTime>,
    /// The operator's drain.
    pub drain: Option<Box<Setting<()>>>,
    /// The operator's weight.
    pub weight: Option<Box<Setting<u32>>>,
    /// Its checks, and what they found.
    pub checks: Vec<(Arc<CheckSpec>, Arc<Record>)>,
}

impl ServerStatus {
    /// Which server.
    #[must_use]
    pub const fn key(&self) -> ServerKey {
        self.as_declared.key
    }
}

/// What a server is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// For the clients.
    Regular,
    /// For when too few others are up.
    Backup,
    /// For when no other is left.
    Sorry,
}

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerState {
    /// Well, with its full weight.
    Up,
    /// Well, and its weight still grows.
    Warming,
    /// Not judged yet: in or out as it was found or as `initial` says.
    Pending,
    /// Down: at weight 0 or removed.
    Down,
    /// Down, but kept in because too few are left.
    Panic,
    /// Its verdict changed too often: held out.
    Held,
    /// Drained by the operator or its agent.
    Drained,
    /// Its machine is in maintenance.
    Disabled,
    /// A backup or sorry server that is not needed.
    Standby,
    /// No longer declared: leaves when its connections are gone.
    Leaving,
}

/// Where the core puts the snapshot and the events, and everybody else reads them.
#[derive(Debug, Default)]
pub struct Published {
    inner: Mutex<BoardInner>,
    changed: Condvar,
    /// For those who wait on a runtime.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct BoardInner {
    snapshot: Arc<Snapshot>,
    events: VecDeque<Arc<Event>>,
    next: u64,
}

/// So many events are kept.
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

    /// Adds an event; its number is given here.
    pub fn record(&self, mut event: Event) {
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

    /// The events from a number on that are still kept, and the number of the next one.
    #[must_use]
    pub fn events(&self, from: u64) -> (Vec<Arc<Event>>, u64) {
        let inner = self.lock();
        // Their numbers are without gaps.
        let first = inner.events.front().map_or(inner.next, |event| event.id);
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let events = inner.events.iter().skip(skipped);
        (events.cloned().collect(), inner.next)
    }

    /// The number that the next event will have.
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

    fn tell(&self) {
        self.changed.notify_all();
        self.changes.send_replace(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BoardInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
