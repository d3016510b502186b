//! The pools of the file in force: a thread for their rules and lists, one more for each source.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::list;
use super::listed::{Answer, List, Place};
use super::message::{Command, Report};
use super::priority::give_way;
use super::rules::{Change, Health, Pool, shown};
use super::sources::asker;
use crate::apply::boot_time;
use crate::control::discovery::PoolStatus;
use crate::control::snapshot::{Published, ServerState, Snapshot};
use crate::state::BootTime;
use crate::state::discovery::Discovery;
use crate::words::count;

/// The longest sleep.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often what is shown of a pool becomes new although nothing changed.
const SHOWN_EVERY: Duration = Duration::from_secs(5);
/// The most servers that a text names.
const NAMED: usize = 5;

/// The threads, from the first file with such a pool on. They end when this is dropped, and need not
/// be waited for: a list is replaced as a whole.
pub struct Running {
    orders: Sender<Order>,
}

enum Order {
    Command(Command),
    Answer {
        pool: Arc<str>,
        generation: u64,
        answer: Answer,
    },
    Stop,
}

impl Running {
    /// Starts the thread; `directory` is that of the lists.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(
        directory: PathBuf,
        published: Arc<Published>,
        tell: impl Fn(Report) + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let board = Board {
            directory,
            published,
            tell: Box::new(tell),
            orders: orders.clone(),
            pools: BTreeMap::new(),
            generation: 0,
        };
        let thread = thread::Builder::new().name("discovery".to_owned());
        thread.spawn(move || board.run(&inbox))?;
        Ok(Self { orders })
    }

    /// Sends a command; never blocks.
    pub fn send(&self, command: Command) {
        let _ = self.orders.send(Order::Command(command));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
    }
}

struct Board {
    directory: PathBuf,
    published: Arc<Published>,
    tell: Box<dyn Fn(Report) + Send>,
    /// For the askers.
    orders: Sender<Order>,
    pools: BTreeMap<Arc<str>, Seat>,
    /// The number of the last asker that was started.
    generation: u64,
}

/// A pool and its asker.
struct Seat {
    pool: Pool,
    /// The list that went together with the service file.
    accepted: List,
    discovery: Discovery,
    generation: u64,
    /// Its asker ends when this is dropped.
    _asker: Sender<()>,
    /// Whether the list on disk is not the one in force.
    is_unwritten: bool,
    answered: Option<BootTime>,
    shown: Option<(PoolStatus, BootTime)>,
    said: Option<String>,
}

impl Board {
    fn run(mut self, inbox: &Receiver<Order>) {
        give_way();
        loop {
            let now = boot_time();
            let next = self.pools.values().filter_map(|seat| seat.pool.next(now.0));
            let next = next
                .min()
                .map_or(PATIENCE, |next| next.saturating_sub(now.0));
            match inbox.recv_timeout(next.min(PATIENCE)) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Order::Command(Command::Declare(pools))) => self.declare(pools),
                Ok(Order::Command(Command::Accepted)) => {
                    for seat in self.pools.values_mut() {
                        seat.accepted = seat.pool.list();
                    }
                }
                Ok(Order::Command(Command::Rejected(why))) => self.go_back(&why),
                Ok(Order::Answer {
                    pool,
                    generation,
                    answer,
                }) => self.answer(&pool, generation, answer),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.act();
        }
    }

    fn declare(&mut self, declared: Vec<Discovery>) {
        let mut before = std::mem::take(&mut self.pools);
        for discovery in declared {
            let name = Arc::clone(&discovery.pool);
            let seat = match before.remove(&name) {
                Some(mut seat) if seat.discovery.source == discovery.source => {
                    seat.pool.set_rules(discovery.clone());
                    seat.discovery = discovery;
                    seat
                }
                other => {
                    let list = other.map(|seat| seat.pool.list());
                    let list = list.or_else(|| list::read(&self.directory, &name));
                    self.seat(discovery, list)
                }
            };
            self.pools.insert(name, seat);
        }
        for name in before.keys() {
            // A later pool of this name must not start from an outdated list.
            let _ = std::fs::remove_file(list::path(&self.directory, name));
        }
    }

    /// The files have no place for a list: the one before is in force again.
    fn go_back(&mut self, why: &str) {
        let changed = self.pools.iter();
        let changed = changed.filter(|(_, seat)| seat.pool.list() != seat.accepted);
        let names: Vec<Arc<str>> = changed.map(|(name, _)| Arc::clone(name)).collect();
        let path = |name: &str| list::path(&self.directory, name).display().to_string();
        let is_named = |name: &&Arc<str>| why.contains(&path(name));
        // The mistakes name the file of each list that they are in.
        let named: Vec<Arc<str>> = names.iter().filter(is_named).cloned().collect();
        let guilty = if named.is_empty() { names } else { named };
        for name in guilty {
            let Some(seat) = self.pools.get_mut(&name) else {
                continue;
            };
            let first = why.lines().find(|line| !line.trim().is_empty());
            let refused = format!(
                "the list does not go together with the service file: {}",
                first.unwrap_or_default().trim()
            );
            seat.pool
                .go_back(seat.accepted.clone(), refused.clone(), boot_time().0);
            seat.is_unwritten = true;
            seat.said = Some(refused.clone());
            let why = Some(refused);
            (self.tell)(Report::Refused { pool: name, why });
        }
    }

    fn seat(&mut self, discovery: Discovery, list: Option<List>) -> Seat {
        self.generation += 1;
        let (lifeline, stop) = mpsc::channel();
        let generation = self.generation;
        let (orders, asked) = (self.orders.clone(), discovery.clone());
        let thread = thread::Builder::new().name(format!("discover-{}", discovery.pool));
        let started = thread.spawn(move || {
            let mut asker = asker(&asked.source);
            loop {
                let answered = asker.ask();
                let _ = orders.send(Order::Answer {
                    pool: Arc::clone(&asked.pool),
                    generation,
                    answer: answered.answer,
                });
                if stop.recv_timeout(answered.again) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        });
        let accepted = list.clone().unwrap_or_default();
        let mut pool = Pool::new(discovery.clone(), list);
        if let Err(error) = started {
            let why = format!("cannot start the thread that asks: {error}");
            pool.answer(Answer::Failed(why), boot_time().0);
        }
        Seat {
            pool,
            accepted,
            discovery,
            generation,
            _asker: lifeline,
            is_unwritten: false,
            answered: None,
            shown: None,
            said: None,
        }
    }

    fn answer(&mut self, pool: &str, generation: u64, answer: Answer) {
        let Some(seat) = self.pools.get_mut(pool) else {
            return;
        };
        // The answer of a source that is no longer asked.
        if seat.generation != generation {
            return;
        }
        let now = boot_time();
        seat.pool.answer(answer, now.0);
        let refused = seat.pool.refused().map(str::to_owned);
        if refused.is_none() {
            seat.answered = Some(now);
        }
        if refused != seat.said {
            seat.said.clone_from(&refused);
            let pool = Arc::clone(&seat.discovery.pool);
            (self.tell)(Report::Refused { pool, why: refused });
        }
    }

    fn act(&mut self) {
        let now = boot_time();
        let snapshot = self.published.snapshot();
        for (name, seat) in &mut self.pools {
            let absent: BTreeSet<Place> = seat.pool.absent().collect();
            let health = healths(&absent, &snapshot);
            // What a list that is taken now makes absent is asked for the next time.
            let change = seat.pool.act(now.0, |place| {
                health.get(&place).copied().unwrap_or(Health::Unknown)
            });
            if !change.is_empty() || seat.is_unwritten {
                let written = list::write(&self.directory, name, &seat.pool.list());
                seat.is_unwritten = written.is_err();
                let pool = Arc::clone(name);
                (self.tell)(match written {
                    Ok(()) => Report::Changed {
                        pool,
                        text: said(&change),
                    },
                    Err(error) => Report::Refused {
                        pool,
                        why: Some(format!("cannot write its list: {error}")),
                    },
                });
            }
            let status = seat.status();
            let is_new = seat.shown.as_ref().is_none_or(|(shown, at)| {
                let same = PoolStatus {
                    answered: shown.answered,
                    ..status.clone()
                };
                // The first answer is news; that another one came can wait.
                let is_first = shown.answered.is_none() && status.answered.is_some();
                let is_old = at.after(SHOWN_EVERY) <= now;
                same != *shown || is_first || status != *shown && is_old
            });
            if is_new {
                seat.shown = Some((status.clone(), now));
                (self.tell)(Report::Status(status));
            }
        }
    }
}

impl Seat {
    fn status(&self) -> PoolStatus {
        PoolStatus {
            pool: Arc::clone(&self.discovery.pool),
            source: self.discovery.source.name(),
            servers: self.pool.len(),
            absent: self.pool.absent().count(),
            answered: self.answered,
            refused: self.pool.refused().map(Arc::from),
        }
    }
}

/// What the checks say of these servers.
fn healths(places: &BTreeSet<Place>, snapshot: &Snapshot) -> BTreeMap<Place, Health> {
    let mut healths = BTreeMap::new();
    if places.is_empty() {
        return healths;
    }
    let servers = snapshot.services.values();
    for server in servers.flat_map(|service| &service.servers) {
        let key = server.key();
        for place in [(key.address, Some(key.port)), (key.address, None)] {
            if !places.contains(&place) {
                continue;
            }
            let health = match server.state {
                ServerState::Up | ServerState::Warming | ServerState::Standby => Health::Up,
                ServerState::Down | ServerState::Panic => Health::Down,
                // No verdict, or an operator's: neither says that it is lost.
                ServerState::Pending
                | ServerState::Held
                | ServerState::Drained
                | ServerState::Disabled
                | ServerState::Leaving => Health::Unknown,
            };
            let there = healths.entry(place).or_insert(health);
            // Up in one service is up; unknown in one is not known to be down.
            *there = match (*there, health) {
                (Health::Up, _) | (_, Health::Up) => Health::Up,
                (Health::Down, Health::Down) => Health::Down,
                _ => Health::Unknown,
            };
        }
    }
    healths
}

/// A change, for people.
fn said(change: &Change) -> String {
    let named = |places: &[Place]| {
        let mut names: Vec<String> = places.iter().take(NAMED).map(|it| shown(*it)).collect();
        if places.len() > NAMED {
            names.push("...".to_owned());
        }
        names.join(", ")
    };
    let parts = [
        (&change.joined, "joined"),
        (&change.left, "left"),
        (&change.altered, "changed"),
    ];
    let parts = parts.iter().filter(|(places, _)| !places.is_empty());
    let parts = parts.map(|(places, what)| {
        let number = count(places.len(), "server", "servers");
        format!("{number} {what} ({})", named(places))
    });
    match parts.collect::<Vec<_>>().join(", ") {
        text if text.is_empty() => "its list is on disk again".to_owned(),
        text => text,
    }
}
