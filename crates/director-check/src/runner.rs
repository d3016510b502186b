//! The thread that keeps the time: starts the checks, receives their answers, reports the news.
//!
//! ```text
//!            ┌──────────────── inbox ◄── commands (daemon), answers (worker)
//!            ▼
//!   wait ► conclude ► begin what is due ─┬─► connects.rs, plain TCP and HTTP, on this thread
//!    ▲                                   ├─► worker.rs, all else
//!    └───────────────────────────────────┘   or a lane's queue, when too many are under way
//! ```
//!
//! - **It never blocks** except in its one wait.
//! - **Due times are rounded** up to 4 ms, so that one wake-up serves many checks.
//! - **Job numbers are never reused**: the answer to a check that was stopped in between is
//!   ignored.

mod conclude;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::connects::{Connects, Landed};
use super::failure::Passed;
use super::held_up::HeldUp;
use super::inbox::{Inbox, Message};
use super::kind::{Driver, Memory, driver};
use super::limits::Limits;
use super::own_link::OwnLinks;
use super::schedule::{Chance, Due, Schedule};
use super::sources::Sources;
use super::statistics::Counters;
use super::table::Table;
use super::target::Job;
use super::through::Passages;
use super::unasked::Unasked;
use super::verdict::Judge;
use super::worker::{Ways, Worker};
use super::{Advice, Command, Finding, Observer, Record, Statistics, Target, TargetId};
use director_config::state::health::CheckSpec;

/// Wake-ups happen at multiples of this.
const TICK: Duration = Duration::from_millis(4);

/// While checks are in progress, the longest time between wake-ups: a thread that sleeps until an
/// answer arrives does not notice that the whole process slept.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// The number of checks started before the clock is read and answers are received again: when the
/// machine is behind, finished checks must not wait until they time out.
const BATCH: usize = 64;

/// The checks: a thread that keeps the time, and one for the longer checks. Dropping this ends
/// both, and every check in progress.
#[derive(Debug)]
pub struct Checks {
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Checks {
    /// Starts the threads without a target. `found` is called on the thread that keeps the time and
    /// must not block.
    ///
    /// Raises this process's soft limit of descriptors as far as the hard one allows.
    ///
    /// # Errors
    ///
    /// If there is no descriptor or thread left.
    pub fn start(found: impl FnMut(Finding) + Send + 'static) -> io::Result<Self> {
        Self::start_through(Arc::default(), found)
    }

    /// Starts the threads, with the ways of checks through the forwarding path.
    ///
    /// # Errors
    ///
    /// The same as for [`Checks::start`].
    pub fn start_through(
        passages: Arc<Passages>,
        found: impl FnMut(Finding) + Send + 'static,
    ) -> io::Result<Self> {
        let limits = Limits::raise()?;
        let inbox = Arc::new(Inbox::new()?);
        let counters = Arc::new(Counters::default());
        counters
            .most_under_way
            .set(limits.connections + limits.programs);
        let now = Instant::now();
        let sources = Arc::new(Sources::default());
        let ways = Ways {
            passages,
            sources: Arc::clone(&sources),
        };
        let runner = Runner {
            entries: Table::default(),
            jobs: HashMap::new(),
            last_job: 0,
            schedule: Schedule::new(Chance::new(seed())),
            connects: Connects::new(inbox.wake(), limits.held, Arc::clone(&sources))?,
            held_up: HeldUp::default(),
            own_links: OwnLinks::default(),
            sources,
            worker: Worker::start(Arc::clone(&inbox), ways)?,
            connections: Lane::new(limits.connections),
            programs: Lane::new(limits.programs),
            zero: now,
            clock: (now, SystemTime::now()),
            inbox: Arc::clone(&inbox),
            counters: Arc::clone(&counters),
            reason: Arc::from(""),
            found,
        };
        let thread = thread::Builder::new()
            .name("checks".into())
            .spawn(move || runner.run())?;
        Ok(Self {
            inbox,
            counters,
            thread: Some(thread),
        })
    }

    /// Starts and stops targets. Does not block.
    pub fn send(&self, commands: Vec<Command>) {
        self.inbox.put(Message::Commands(commands));
    }

    /// How punctual the checks have been since the start.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.observer().statistics()
    }

    /// Reads the statistics from another thread.
    #[must_use]
    pub fn observer(&self) -> Observer {
        Observer(Arc::clone(&self.counters))
    }
}

impl Drop for Checks {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Checks of one sort with a common limit.
#[derive(Debug)]
struct Lane {
    most: usize,
    under_way: usize,
    queue: VecDeque<Due>,
}

impl Lane {
    const fn new(most: usize) -> Self {
        Self {
            most,
            under_way: 0,
            queue: VecDeque::new(),
        }
    }
}

/// A target and its state.
#[derive(Debug)]
struct Tracked {
    target: Arc<Target>,
    record: Arc<Record>,
    judge: Judge,
    /// `None` while the kind remembers nothing, as that of a plain TCP check does for good.
    memory: Option<Box<Memory>>,
    advice: Option<Advice>,
    under_way: Option<Job>,
    /// Whether the last check was not counted because the director did not run.
    excused: bool,
    /// Whether one of the consecutive failures occurred because this machine had no way to the
    /// server.
    cut_off: bool,
    unasked: Unasked,
    gap: Duration,
    /// For a kind that holds a connection open.
    hold: Option<Box<Hold>>,
}

/// The connection of a target that is held open.
#[derive(Debug, Default)]
struct Hold {
    /// The check that made it, while it stands.
    job: Option<Job>,
    /// How the last one ended, if it has not been replaced since.
    lost: Option<&'static str>,
    /// When one that ended was last replaced.
    reconnected: Option<Instant>,
}

/// A check in progress.
#[derive(Debug)]
struct UnderWay {
    due: Due,
    began: Instant,
    program: bool,
}

struct Runner<F> {
    entries: Table<Tracked>,
    jobs: HashMap<Job, UnderWay>,
    last_job: Job,
    schedule: Schedule,
    connects: Connects,
    held_up: HeldUp,
    own_links: OwnLinks,
    sources: Arc<Sources>,
    worker: Worker,
    connections: Lane,
    programs: Lane,
    /// The origin of ticks.
    zero: Instant,
    /// A recent instant and its calendar time.
    clock: (Instant, SystemTime),
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    /// The reason of the last verdict.
    reason: Arc<str>,
    found: F,
}

impl<F: FnMut(Finding)> Runner<F> {
    fn run(mut self) {
        let mut landed = Vec::new();
        let mut now = Instant::now();
        loop {
            let due = self.next_due(now);
            let ends = self.connects.next_deadline();
            let beat = (!self.jobs.is_empty()).then(|| now + HEARTBEAT);
            let until = due.into_iter().chain(ends).chain(beat).min();
            let woken = match self.connects.wait(until, now, &mut landed) {
                Ok(waited) => {
                    self.held_up.note(now, until, waited.now);
                    now = waited.now;
                    waited.woken
                }
                Err(error) => {
                    // Only memory can be missing. Better late than in a busy loop.
                    tracing::error!(%error, "the checks cannot wait for their sockets");
                    thread::sleep(Duration::from_millis(100));
                    now = Instant::now();
                    true
                }
            };
            for landed in landed.drain(..) {
                self.land(landed, now);
            }
            for lost in self.connects.take_lost() {
                self.lose(lost, now);
            }
            if woken {
                if self.inbox.is_closed() {
                    return;
                }
                self.hear(now);
            }
            self.begin_what_is_due(now);
            self.count();
        }
    }

    /// When the next check is to start: immediately, if the last batch was incomplete.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let waits = |program| self.has_room(program) && !self.lane(program).queue.is_empty();
        if waits(false) || waits(true) {
            return Some(now);
        }
        let at = self.schedule.next()?;
        Some(if at <= now { now } else { self.round_up(at) })
    }

    /// The next tick at or after `at`.
    fn round_up(&self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.zero);
        let over = since.as_nanos() % TICK.as_nanos();
        let over = Duration::from_nanos(u64::try_from(over).unwrap_or(0));
        if over.is_zero() {
            at
        } else {
            at + (TICK - over)
        }
    }

    fn hear(&mut self, now: Instant) {
        for message in self.inbox.take() {
            match message {
                Message::Commands(commands) => {
                    let is_start = |command: &&Command| matches!(command, Command::Start { .. });
                    let all = self.entries.len() + commands.iter().filter(is_start).count();
                    self.entries.make_room(all);
                    self.schedule.make_room(all);
                    for command in commands {
                        self.obey(command, now);
                    }
                }
                Message::Completed(answer) => self.answer(answer, now),
            }
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Start {
                id,
                target,
                verdict,
                record,
            } => {
                self.stop(id);
                let pace = target.spec.pace;
                let judge = Judge::new(verdict);
                let interval = interval(&target.spec, judge);
                self.schedule.start(id, interval, pace.jitter, now);
                let hold = (driver(&target.spec) == Driver::Holds).then(Box::default);
                let entry = Tracked {
                    target,
                    record,
                    judge,
                    memory: None,
                    advice: None,
                    under_way: None,
                    excused: false,
                    cut_off: false,
                    unasked: Unasked::default(),
                    gap: Duration::ZERO,
                    hold,
                };
                self.entries.insert(id, entry);
            }
            Command::Anew(id) => self.begin_anew(id, now),
            Command::Stop(id) => self.stop(id),
            Command::Avoid(address) => self.sources.avoid(address, true),
            Command::Allow(address) => self.sources.avoid(address, false),
        }
    }

    fn stop(&mut self, id: TargetId) {
        self.schedule.stop(id);
        let Some(entry) = self.entries.remove(id) else {
            return;
        };
        self.sources.forget(&entry.target);
        if let Some(job) = entry.hold.and_then(|hold| hold.job) {
            self.connects.cancel(job);
        }
        if let Some(job) = entry.under_way {
            self.connects.cancel(job);
            self.worker.cancel(job);
            self.forget(job);
        }
    }

    /// Judges a target anew, from a check that starts now.
    fn begin_anew(&mut self, id: TargetId, now: Instant) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        entry.judge.begin_anew();
        (entry.excused, entry.cut_off) = (false, false);
        let pace = entry.target.spec.pace;
        let interval = interval(&entry.target.spec, entry.judge);
        if let Some(job) = entry.under_way.take() {
            self.connects.cancel(job);
            self.worker.cancel(job);
            self.forget(job);
        }
        self.schedule.start(id, interval, pace.jitter, now);
    }

    /// Removes a check from those in progress.
    fn forget(&mut self, job: Job) -> Option<UnderWay> {
        let under_way = self.jobs.remove(&job)?;
        self.lane_mut(under_way.program).under_way -= 1;
        Some(under_way)
    }

    const fn lane(&self, program: bool) -> &Lane {
        match program {
            true => &self.programs,
            false => &self.connections,
        }
    }

    const fn lane_mut(&mut self, program: bool) -> &mut Lane {
        match program {
            true => &mut self.programs,
            false => &mut self.connections,
        }
    }

    /// Whether one more check may be under way. A held connection takes the room of one.
    fn has_room(&self, program: bool) -> bool {
        let held = if program { 0 } else { self.connects.held() };
        let lane = self.lane(program);
        lane.under_way + held < lane.most
    }

    fn begin_what_is_due(&mut self, now: Instant) {
        let mut room = BATCH;
        for program in [false, true] {
            while room > 0
                && let Some(due) = self.next_queued(program)
            {
                self.begin(due, program, now);
                room -= 1;
            }
        }
        while room > 0
            && let Some(due) = self.schedule.pop(now)
        {
            room -= 1;
            let Some(entry) = self.entries.get(due.id) else {
                continue;
            };
            let program = entry.target.spec.kind.facts().starts_program;
            if !self.has_room(program) {
                self.lane_mut(program).queue.push_back(due);
                self.counters.held.add_one();
            } else {
                self.begin(due, program, now);
            }
        }
    }

    fn next_queued(&mut self, program: bool) -> Option<Due> {
        if !self.has_room(program) {
            return None;
        }
        self.lane_mut(program).queue.pop_front()
    }

    fn begin(&mut self, due: Due, program: bool, now: Instant) {
        // It may have been stopped in the queue, even started again, and be in it twice.
        let Some(entry) = self.entries.get_mut(due.id) else {
            return;
        };
        if entry.under_way.is_some() {
            return;
        }
        self.last_job += 1;
        let job = self.last_job;
        entry.under_way = Some(job);
        // Where a connection is held there is no time without a check.
        if let Some(gap) = self.schedule.began(due, now)
            && entry.hold.is_none()
        {
            entry.gap = entry.gap.max(gap);
            self.counters.longest_gap.raise_to(gap);
        }
        self.counters.started.add_one();
        let target = Arc::clone(&entry.target);
        if let Some(hold) = &mut entry.hold
            && hold.lost.is_some()
        {
            hold.reconnected = Some(now);
        }
        let memory = entry.memory.as_deref().copied().unwrap_or_default();
        let stands = entry.hold.as_ref().is_some_and(|hold| hold.job.is_some());
        let under_way = UnderWay {
            due,
            began: now,
            program,
        };
        self.jobs.insert(job, under_way);
        self.lane_mut(program).under_way += 1;
        let hold = match driver(&target.spec) {
            Driver::Connects => None,
            Driver::Holds => Some(due.id),
            Driver::Task => {
                self.worker.run(job, target, memory);
                return;
            }
        };
        self.counters
            .lateness
            .add(now.saturating_duration_since(due.at));
        let landed = match stands {
            // The check asks whether the connection still stands, and it does.
            true => Some(Landed {
                job,
                result: Ok(Passed::default()),
                took: Duration::ZERO,
            }),
            false => self.connects.begin(job, &target, hold, now),
        };
        if let Some(landed) = landed {
            self.land(landed, now);
        }
    }

    /// The calendar time of an instant; the clock is read once per second.
    fn wall_clock(&mut self, at: Instant) -> SystemTime {
        let (then, time) = self.clock;
        if at.saturating_duration_since(then) > Duration::from_secs(1) {
            self.clock = (Instant::now(), SystemTime::now());
        }
        let since = at.saturating_duration_since(then);
        time + since
    }

    fn count(&self) {
        let counters = &self.counters;
        counters.targets.set(self.schedule.len());
        counters.under_way.set(self.jobs.len());
        counters
            .waiting
            .set(self.connections.queue.len() + self.programs.queue.len());
    }
}

fn interval(spec: &CheckSpec, judge: Judge) -> Duration {
    if judge.is_unsettled() {
        spec.pace.fast_interval
    } else {
        spec.pace.interval
    }
}

/// Different at each start, so that directors with the same file do not run in step.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
