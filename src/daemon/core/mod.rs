//! The core: makes every decision, as a function of its state, an input, and the time.
//!
//! ```text
//!   handle(input) ─► state changes ─► settle(service): overlay ─► diff ─► operations, at once
//!   work()        ─► one slice of what is left to do: services to read again, a new file taken in
//!   out           ─► what the threads around are to do: checks, jobs, commands, settings to keep
//! ```
//!
//! - **One way to the kernel.** Whatever the cause, [`settle`] changes a service: it compares the
//!   wanted state with the believed one. A verdict leads to one operation, since everything else is
//!   already as wanted.
//! - **Slices.** Nothing here takes longer than one slice of some milliseconds, so that a verdict
//!   never waits long; the rest is in the [`Agenda`].
//! - **Beliefs are verified.** When an operation reveals a difference, the service is read again,
//!   and every period all of them are compared (by the worker, which only names differences).
//!
//! [`settle`]: Core::settle

mod absorb;
mod agenda;
mod announce;
mod answers;
mod believed;
mod better_off;
mod causes;
mod date;
mod discovered;
mod drifted;
mod entered;
mod failover;
mod guard;
mod hand;
mod handover;
mod holdings;
mod holds;
mod judge;
mod keep;
mod name;
mod peers;
mod reconcile;
mod reload;
mod reloading;
mod settle;
mod show;
mod stale;
mod stalls;
mod succession;
mod two_holders;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipvs::ServiceKey;

use super::common::Causes;
use super::messages::{Input, Job, Order, Out};
use super::service::ServiceState;
use super::tables::Tables;
use super::targets::Targets;
use crate::control::Now;
use crate::control::operator::Settings;
use crate::control::snapshot::Published;
use crate::state::health::RunSettings;
use crate::state::{BootTime, Desired, Drift};

use agenda::Agenda;
use answers::Answers;
use believed::Believed;
use holdings::Holdings;
use reloading::Reloading;

/// The core.
pub(super) struct Core {
    /// The declarations of the file in force besides services.
    rest: Desired,
    run: RunSettings,
    /// The declared services, and the state of their servers.
    services: BTreeMap<ServiceKey, ServiceState>,
    believed: Believed,
    holdings: Holdings,
    settings: Settings,
    targets: Targets,
    causes: Causes,
    work: Agenda,
    reloading: Reloading,
    keeping: keep::Keeping,
    answers: Answers,
    failover: failover::FailoverState,
    peers: peers::PeersState,
    announce: announce::Announcements,
    discovered: discovered::Discovered,
    /// The calendar time at boot; if it changes, the date was set.
    epoch: Option<SystemTime>,
    stalls: stalls::Stalls,
    show: show::Show,
    drifted: drifted::Drifted,
    pub(super) out: Out,
}

impl Core {
    /// A core without any knowledge, which first requests the file and the tables.
    pub(super) fn new(
        file: PathBuf,
        settings: Settings,
        force: bool,
        published: Arc<Published>,
        now: Now,
    ) -> Self {
        let mut core = Self {
            rest: Desired::default(),
            run: RunSettings::default(),
            services: BTreeMap::new(),
            believed: Believed::new(now.boot),
            holdings: Holdings::default(),
            settings,
            targets: Targets::default(),
            causes: Causes::default(),
            work: Agenda::default(),
            show: show::Show::new(&file, published, now),
            reloading: Reloading::new(file),
            keeping: keep::Keeping::default(),
            answers: Answers::default(),
            failover: failover::FailoverState::default(),
            peers: peers::PeersState::default(),
            announce: announce::Announcements::default(),
            discovered: discovered::Discovered::default(),
            epoch: now.wall.checked_sub(now.boot.0),
            stalls: stalls::Stalls::default(),
            drifted: drifted::Drifted::default(),
            out: Out::default(),
        };
        // A reboot may have happened in between: from now on deadlines count from this boot.
        if core.settings.has_deadlines() {
            core.keep(now);
        }
        core.begin_load(true, Order::asked(force), now);
        core
    }

    /// Handles an input.
    pub(super) fn handle(&mut self, input: Input, tables: &mut dyn Tables, now: Now) {
        match input {
            Input::Finding(finding) => self.finding(finding, tables, now),
            Input::Request(request, reply) => self.request(request, reply, tables, now),
            Input::Changed => self.reload(Order::UNASKED, None, now),
            Input::Reload => self.reload(Order::asked(false), None, now),
            Input::Done(done) => self.done(done, tables, now),
            Input::Kept(number, result) => self.kept(number, &result, now),
            Input::Missing(missing) => self.is_missing(missing, now),
            Input::Failover(report) => self.failover_report(report, now),
            Input::Recorded(recorded) => self.recorded(recorded, now),
            Input::Peer(report) => self.peer_report(report, now),
            Input::Announce(report) => self.announce_report(report, now),
            Input::Discovery(report) => self.discovery_report(report, now),
            Input::Nameless(why) => self.nameless(why, now),
            Input::Stop | Input::Superseded(_) => {}
        }
        self.send_answers(now);
    }

    /// Whether there is work left.
    pub(super) fn has_work(&self) -> bool {
        !self.work.stale.is_empty()
            || !self.work.dirty.is_empty()
            || self.reloading.has_work()
            || !self.work.unseen.is_empty()
    }

    /// Does one slice of work, the most urgent first.
    pub(super) fn work(&mut self, tables: &mut dyn Tables, now: Now) {
        if !self.work.stale.is_empty() {
            self.settle_stale(tables, now);
        } else if !self.work.dirty.is_empty() {
            self.settle_dirty(tables, now);
        } else if self.reloading.has_work() {
            self.advance_reload(now);
        } else {
            self.refresh(now);
        }
        self.send_answers(now);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, tables: &mut dyn Tables, now: Now) {
        self.date_was_set(now);
        self.due(tables, now);
        self.expire(tables, now);
        self.begin_reading(now);
        self.keep_ledger(now.boot);
        self.keep_again(now);
        self.send_answers(now);
        self.look_at_health(now);
        self.look_at_announcements(now);
        self.publish(now);
    }

    /// Requests a write of the ledger if it changed. A transaction writes it itself, together with
    /// its changes.
    fn keep_ledger(&mut self, now: BootTime) {
        if self.ledger_due().is_some_and(|due| due <= now) {
            self.holdings.pace(now);
            self.write_ledger();
        }
    }

    /// When the ledger is to be written, if it changed; not during a transaction.
    fn ledger_due(&self) -> Option<BootTime> {
        let due = self.holdings.due();
        due.filter(|_| !self.reloading.is_transacting())
    }

    /// No more inputs: writes what is not on disk yet, whenever it would be due.
    pub(super) fn close(&mut self, now: Now) {
        self.write_ledger();
        self.keep_at_last(now);
    }

    fn write_ledger(&mut self) {
        if self.ledger_due().is_some()
            && let Some(ledger) = self.holdings.take_changed()
        {
            self.out.jobs.push(Job::Keep(ledger));
        }
    }

    /// When `tick` has something to do next, at the latest.
    pub(super) fn next(&self, now: BootTime) -> Duration {
        let longest = Duration::from_millis(500);
        let timer = self.work.timers.next().map(|time| now.until(time));
        let reading = self.believed.next_reading().map(|time| now.until(time));
        let publish = self.show.is_pending().then_some(show::PACE);
        let ledger = self.ledger_due().map(|due| now.until(due));
        let kept = self
            .keeping
            .due(self.reloading.is_busy())
            .map(|due| now.until(due));
        let failover = self.failover.next().map(|time| now.until(time));
        let announce = self.announce.next().map(|time| now.until(time));
        [timer, reading, publish, ledger, kept, failover, announce]
            .into_iter()
            .flatten()
            .fold(longest, Duration::min)
    }

    /// Whether the first file is in force.
    pub(super) fn is_ready(&self) -> bool {
        self.show.is_ready()
    }

    /// Why the first file was not put in force, if so.
    pub(super) fn failed_to_start(&self) -> Option<Arc<str>> {
        self.show.rejected_at_start()
    }

    /// The reconcile period.
    fn period(&self) -> Duration {
        self.run.reconcile
    }

    /// Whether a service is declared or owned.
    fn is_ours(&self, key: &ServiceKey) -> bool {
        self.services.contains_key(key) || self.holdings.service(key).is_some()
    }

    fn repairs(&self) -> bool {
        self.rest.policy.drift == Drift::Repair
    }
}
