//! The core: everything that is decided, as a function of what is known, an input, and the time.
//!
//! ```text
//!   handle(input) ─► state changes ─► settle(service): overlay ─► diff ─► operations, at once
//!   work()        ─► one slice of what is left to do: services to read again, a new file taken in
//!   out           ─► what the threads around are to do: checks, jobs, commands, settings to keep
//! ```
//!
//! - **One way to the kernel.** Whatever the cause, a service is changed by [`settle`]: what it
//!   should be now is compared with what it is believed to be. A verdict comes to one operation,
//!   since everything else is as it should be.
//! - **Slices.** Nothing in here takes longer than one slice, some milliseconds, so that a verdict
//!   never waits long; what is left stands in [`Work`].
//! - **Belief is checked.** What an operation finds otherwise than believed is read again, and
//!   every period all of it is (by the worker, which only names what differs).
//!
//! [`settle`]: Core::settle

mod absorb;
mod causes;
mod date;
mod hand;
mod judge;
mod keep;
mod name;
mod reconcile;
mod reload;
mod settle;
mod show;
mod stale;
mod stalls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipvs::ServiceKey;

use super::common::Causes;
use super::messages::{Hot, Input, Job, Order, Out, Reply};
use super::server::Reload;
use super::service::ServiceState;
use super::tables::Tables;
use super::targets::Targets;
use crate::control::Now;
use crate::control::operator::Settings;
use crate::control::snapshot::{Board, ServiceStatus};
use crate::state::health::RunSettings;
use crate::state::{BootTime, Desired, Drift, ObservedService, Ownership, Policy};

use reload::Stage;

/// What is left to do.
#[derive(Debug, Default)]
struct Work {
    /// Services of which something changed: to be compared with what is believed.
    stale: BTreeSet<ServiceKey>,
    /// Services to be read first.
    dirty: BTreeSet<ServiceKey>,
    /// Services whose part of the picture is out of date.
    unseen: BTreeSet<ServiceKey>,
}

/// When a service has to be looked at again.
#[derive(Debug, Default)]
struct Timers {
    by_time: BTreeSet<(BootTime, ServiceKey)>,
    by_service: BTreeMap<ServiceKey, BootTime>,
}

/// So often the ledger is written at most, as many drains may begin and end one after another.
const LEDGER_PACE: Duration = Duration::from_secs(1);

/// Whether the ledger is to be written.
#[derive(Debug, Default)]
struct Pending {
    changed: bool,
    /// Not before that time.
    earliest: BootTime,
}

/// The core.
pub(super) struct Core {
    file: PathBuf,
    policy: Policy,
    /// What the file declares beside services.
    rest: Desired,
    run: RunSettings,
    /// Persistent clients leave servers of weight 0.
    quiescent: bool,
    services: BTreeMap<ServiceKey, ServiceState>,
    /// What is believed to be in the kernel, of declared and owned services.
    picture: BTreeMap<ServiceKey, Arc<ObservedService>>,
    foreign: BTreeSet<ServiceKey>,
    ownership: Ownership,
    settings: Settings,
    targets: Targets,
    causes: Causes,
    /// How many addresses the servers of all services have.
    addresses: usize,
    work: Work,
    timers: Timers,
    /// Counts writes; and the last one to each service, as long as a reading is under way.
    writes: u64,
    written: BTreeMap<ServiceKey, u64>,
    /// Tried in vain, so often, and not again before that time.
    refused: BTreeMap<ServiceKey, (u32, BootTime)>,
    reading: bool,
    next_reading: BootTime,
    stage: Stage,
    /// Services that a transaction is about, until their new declaration is in force. What the
    /// kernel has of them is not to be judged by the old one.
    awaited: BTreeSet<ServiceKey>,
    /// Services that a transaction changed, and that were not read since: what is different there
    /// was nobody else.
    transacted: BTreeSet<ServiceKey>,
    /// The order to read the file again came while one was being read.
    reload_again: Option<reload::Again>,
    hot: Hot,
    keeping: keep::Keeping,
    /// What the calendar said at boot time zero: another value says that the date was set.
    epoch: Option<SystemTime>,
    reload_replies: Vec<Reply>,
    /// Files put in force, or about to be.
    reloads: Reload,
    ledger: Pending,
    board: Arc<Board>,
    parts: BTreeMap<ServiceKey, Arc<ServiceStatus>>,
    stalls: stalls::Stalls,
    show: show::Show,
    pub(super) out: Out,
}

impl Core {
    /// A core that knows nothing yet, and asks for the file and the tables first.
    pub(super) fn new(
        file: PathBuf,
        settings: Settings,
        force: bool,
        board: Arc<Board>,
        now: Now,
    ) -> Self {
        let mut core = Self {
            show: show::Show::new(&file, now),
            file,
            policy: Policy::default(),
            rest: Desired::default(),
            run: RunSettings::default(),
            quiescent: false,
            services: BTreeMap::new(),
            picture: BTreeMap::new(),
            foreign: BTreeSet::new(),
            ownership: Ownership::default(),
            settings,
            targets: Targets::default(),
            causes: Causes::default(),
            addresses: 0,
            work: Work::default(),
            timers: Timers::default(),
            writes: 0,
            written: BTreeMap::new(),
            refused: BTreeMap::new(),
            reading: false,
            next_reading: now.boot,
            stage: Stage::Idle,
            awaited: BTreeSet::new(),
            transacted: BTreeSet::new(),
            reload_again: None,
            hot: Hot::default(),
            keeping: keep::Keeping::default(),
            epoch: now.wall.checked_sub(now.boot.0),
            reload_replies: Vec::new(),
            reloads: 0,
            ledger: Pending::default(),
            board,
            parts: BTreeMap::new(),
            stalls: stalls::Stalls::default(),
            out: Out::default(),
        };
        // A reboot may have been in between: from now on deadlines count from this boot.
        if core.settings.has_deadlines() {
            core.keep(now);
        }
        core.begin_load(true, Order::asked(force));
        core
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, input: Input, tables: &mut dyn Tables, now: Now) {
        match input {
            Input::Finding(finding) => self.finding(finding, tables, now),
            Input::Request(request, reply) => self.request(request, reply, tables, now),
            Input::Changed => self.reload(Order::UNASKED, None, now),
            Input::Reload => self.reload(Order::asked(false), None, now),
            Input::Done(done) => self.done(done, tables, now),
            Input::Kept(number, result) => self.kept(number, &result, now),
            Input::Missing(missing) => self.is_missing(missing, now),
            Input::Nameless(why) => self.nameless(why, now),
            Input::Stop | Input::Superseded(_) => {}
        }
    }

    /// Whether there is work left.
    pub(super) fn has_work(&self) -> bool {
        !self.work.stale.is_empty()
            || !self.work.dirty.is_empty()
            || self.stage.has_work()
            || !self.work.unseen.is_empty()
    }

    /// Does one slice of it, the most urgent first.
    pub(super) fn work(&mut self, tables: &mut dyn Tables, now: Now) {
        if !self.work.stale.is_empty() {
            self.settle_stale(tables, now);
        } else if !self.work.dirty.is_empty() {
            self.settle_dirty(tables, now);
        } else if self.stage.has_work() {
            self.advance_reload(now);
        } else {
            self.refresh(now);
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, tables: &mut dyn Tables, now: Now) {
        self.date_was_set(now);
        self.due(tables, now);
        self.expire(tables, now);
        self.begin_reading(now);
        self.keep_ledger(now.boot);
        self.keep_again(now);
        self.publish(now);
    }

    /// Has the ledger written, if it changed. A transaction writes it itself, with what it changes.
    fn keep_ledger(&mut self, now: BootTime) {
        if self.ledger_due().is_some_and(|due| due <= now) {
            self.ledger.earliest = now.after(LEDGER_PACE);
            self.write_ledger();
        }
    }

    /// When the ledger is to be written, if it changed; not while a transaction is under way.
    fn ledger_due(&self) -> Option<BootTime> {
        let due = self.ledger.changed && !self.stage.is_transacting();
        due.then_some(self.ledger.earliest)
    }

    /// Nothing comes any more: has what is not on disk yet written, whenever it would be due.
    pub(super) fn close(&mut self, now: Now) {
        self.write_ledger();
        self.keep_at_last(now);
    }

    fn write_ledger(&mut self) {
        if self.ledger_due().is_some() {
            self.ledger.changed = false;
            let ledger = Box::new(self.ownership.clone());
            self.out.jobs.push(Job::Keep(ledger));
        }
    }

    /// When `tick` has something to do next, at the latest.
    pub(super) fn next(&self, now: BootTime) -> Duration {
        let longest = Duration::from_millis(500);
        let timer = self
            .timers
            .by_time
            .first()
            .map(|(time, _)| now.until(*time));
        let reading = (!self.reading).then(|| now.until(self.next_reading));
        let publish = self.show.is_pending().then_some(show::PACE);
        let ledger = self.ledger_due().map(|due| now.until(due));
        let kept = self
            .keeping
            .due(self.stage.is_busy())
            .map(|due| now.until(due));
        [timer, reading, publish, ledger, kept]
            .into_iter()
            .flatten()
            .fold(longest, Duration::min)
    }

    /// Whether the first file is in force.
    pub(super) fn is_ready(&self) -> bool {
        self.show.is_ready()
    }

    /// What went wrong with the first file, if it did.
    pub(super) fn failed_to_start(&self) -> Option<Arc<str>> {
        self.show.rejected_at_start()
    }

    /// Which period the tables are looked at in.
    fn period(&self) -> Duration {
        self.run.reconcile
    }

    fn repairs(&self) -> bool {
        self.policy.drift == Drift::Repair
    }
}

impl Timers {
    fn set(&mut self, key: ServiceKey, time: Option<BootTime>) {
        if let Some(before) = self.by_service.remove(&key) {
            self.by_time.remove(&(before, key));
        }
        if let Some(time) = time {
            self.by_service.insert(key, time);
            self.by_time.insert((time, key));
        }
    }

    fn take_due(&mut self, now: BootTime) -> Option<ServiceKey> {
        let (time, key) = *self.by_time.first()?;
        if time > now {
            return None;
        }
        self.by_time.remove(&(time, key));
        self.by_service.remove(&key);
        Some(key)
    }
}
