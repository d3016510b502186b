//! One section: its state machine, and what becomes of its actions.

mod hearing;
mod sending;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vrrp::machine::{Action, Input, Machine};
use vrrp::{Priority, Version};

use super::events;
use super::holder::{BRIDGE, Order, Orders, Remnant, View};
use super::message::{Operation, Report, Restored};
use super::place::Place;
use super::settings::config;
use super::sockets::{Key, Sockets};
use super::wary::Wary;
use crate::control::event::EventKind;
use crate::control::failover::FailoverCounters;
use crate::state::failover::{Failover, OnDeath, TrackEffect, TrackFile, Tracked};
use crate::words::path;

/// The time between two events about discarded messages of one kind, or about lateness.
const QUIET: Duration = Duration::from_secs(60);

/// Failures to send lead to further actions; these to no more than a few rounds.
const ROUNDS: usize = 4;

/// The least time for which a lost contest about an address keeps a router back.
const CONTESTED: Duration = Duration::from_secs(60);

/// Where the actions of a machine go.
pub(super) struct Way<'a> {
    pub(super) sockets: &'a Sockets,
    pub(super) holder: &'a Orders,
    pub(super) tell: &'a dyn Fn(Report),
    pub(super) now: Duration,
}

/// What a section has to know of the process before.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Before {
    /// What an operator set.
    pub(super) restored: Option<Restored>,
    /// Another file was in force: it listens for so long at least, and does not go on.
    pub(super) careful: Option<Duration>,
}

/// A section that runs.
pub(super) struct Router {
    pub(super) section: Arc<Failover>,
    machine: Machine,
    places: Vec<Place>,
    /// Members that the machine has been told are faulty.
    told: Vec<bool>,
    started: bool,
    pub(super) timer: Option<Duration>,
    actions: Vec<Action>,
    remnant: Option<Remnant>,
    /// Addresses of an earlier process are there, and this one is not active.
    leftover: bool,
    /// Whether it has the connections for which it waits: `preempt.when`.
    is_synced: bool,
    /// Until it has been active, or has understood another router.
    wary: Option<Wary>,
    lowered: u32,
    track_lowered: u32,
    service_fault: Option<Arc<str>>,
    track_fault: Option<Arc<str>>,
    pub(super) counters: Arc<FailoverCounters>,
    quiet: BTreeMap<usize, Duration>,
    quiet_late: Duration,
    send_error: Option<String>,
    shown: events::Shown,
    /// Its places or its settings changed since they were shown.
    touched: bool,
    /// A stranger came or went.
    alarmed: bool,
    /// This process ends for good, and has asked the peers to take over.
    leaves: bool,
}

impl Router {
    /// A section that waits for the first view of the interfaces. `None` if the protocol cannot
    /// carry it, which `check` has excluded.
    pub(super) fn new(
        section: Arc<Failover>,
        before: Before,
        now: Duration,
    ) -> Result<Self, String> {
        let places = vec![Place::default(); section.routers.len()];
        let mut settings = config(&section, &places, section.priority, false);
        let careful = before.careful.unwrap_or_default();
        settings.startup_delay = settings.startup_delay.max(careful);
        let mut machine = Machine::new(settings).map_err(|error| error.to_string())?;
        let mut actions = Vec::new();
        if let Some(restored) = before.restored {
            let input = match restored {
                Restored::Yield { until } => Input::RestoreYield { until },
                Restored::Claim { priority, until } => Input::RestoreClaim {
                    priority: Priority(priority),
                    until,
                },
            };
            machine.handle(now, input, &mut actions);
        }
        Ok(Self {
            wary: Some(Wary::new(now, before.careful)),
            told: vec![false; places.len()],
            machine,
            places,
            started: false,
            timer: None,
            actions,
            remnant: None,
            leftover: false,
            is_synced: false,
            lowered: 0,
            track_lowered: 0,
            service_fault: None,
            track_fault: None,
            counters: Arc::default(),
            quiet: BTreeMap::new(),
            quiet_late: Duration::ZERO,
            send_error: None,
            shown: events::Shown::new(now),
            touched: true,
            alarmed: false,
            leaves: false,
            section,
        })
    }

    pub(super) const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The source and the fault of a member.
    pub(super) fn place(&self, member: usize) -> (Option<IpAddr>, Option<Arc<str>>) {
        let place = self.places.get(member);
        place.map_or((None, None), |place| (place.source, place.fault.clone()))
    }

    pub(super) fn shown(&mut self) -> &mut events::Shown {
        &mut self.shown
    }

    pub(super) fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// The files that it tracks.
    pub(super) fn tracked_files(&self) -> impl Iterator<Item = TrackFile> {
        self.section
            .track
            .iter()
            .filter_map(|track| match &track.what {
                Tracked::File(file) => Some(file.clone()),
                Tracked::Interface(_) | Tracked::Service(_) => None,
            })
    }

    pub(super) fn found(&mut self, remnant: Remnant) {
        self.remnant = Some(remnant);
    }

    /// The sockets that it needs.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Key, bool)> {
        let routers = self.section.routers.iter();
        let own = routers.clone().map(|router| {
            let key = (Arc::clone(&router.interface), router.family);
            (key, router.peers.is_empty())
        });
        let by_mac = routers.filter(|router| !router.is_unicast());
        let by_mac = by_mac.filter_map(|router| Some((router.virtual_interface()?, router.family)));
        own.chain(by_mac.map(|key| (key, false)))
    }

    fn priority(&self) -> Priority {
        let lowered = self.lowered.saturating_add(self.track_lowered);
        self.section.lowered(lowered)
    }

    /// New settings of the same virtual routers. `false` if they are others.
    pub(super) fn replace(&mut self, section: &Arc<Failover>, view: &View, way: &Way<'_>) -> bool {
        let before = std::mem::replace(&mut self.section, Arc::clone(section));
        if self.section.routers.len() != self.places.len() {
            self.section = before;
            return false;
        }
        let places = self.look(view, way);
        let config = config(section, &places, self.priority(), self.is_synced);
        if self
            .machine
            .reconfigure(way.now, config, &mut self.actions)
            .is_err()
        {
            self.section = before;
            return false;
        }
        self.places = places;
        self.touched = true;
        self.tell_faults(way);
        true
    }

    /// The interfaces have changed.
    pub(super) fn interfaces(&mut self, view: &View, way: &Way<'_>) {
        let places = self.look(view, way);
        let other = places
            .iter()
            .zip(&self.places)
            .any(|(new, old)| (&new.own, new.source, new.mtu) != (&old.own, old.source, old.mtu));
        if other {
            let config = config(&self.section, &places, self.priority(), self.is_synced);
            // The same routers with another source: it cannot fail.
            let _ = self.machine.reconfigure(way.now, config, &mut self.actions);
        }
        self.touched |= self.places != places;
        self.places = places;
        self.tell_faults(way);
        if !self.started {
            self.start(way);
        }
        self.tell_priority(way);
        self.act(way);
    }

    fn start(&mut self, way: &Way<'_>) {
        self.started = true;
        let input = match self.remnant.take() {
            Some(remnant) if self.holds(remnant) => Input::Resume { last_sent: way.now },
            remnant => {
                self.leftover = remnant.is_some();
                Input::Start
            }
        };
        self.machine.handle(way.now, input, &mut self.actions);
    }

    /// Whether the peers still wait for the process that left these addresses.
    fn holds(&self, remnant: Remnant) -> bool {
        if self.wary.as_ref().is_some_and(Wary::is_careful) {
            return false;
        }
        let intervals = self.section.routers.iter().map(|router| {
            if remnant.on_purpose && router.version == Version::V3 {
                router.interval.max(BRIDGE)
            } else {
                router.interval
            }
        });
        let shortest = intervals
            .min()
            .map_or(Duration::ZERO, |interval| interval.duration());
        // The kernel counts in whole seconds. After a crash, the peer may have claimed long before
        // one is over.
        let rounding = match remnant.on_purpose {
            true => Duration::ZERO,
            false => Duration::from_secs(1),
        };
        let age = remnant.age.map(|age| age + rounding);
        age.is_some_and(|age| age <= shortest * 3)
    }

    /// What each member has now.
    fn look(&self, view: &View, way: &Way<'_>) -> Vec<Place> {
        let virtual_addresses: Vec<IpAddr> = self
            .section
            .routers
            .iter()
            .flat_map(|router| router.addresses.iter().map(|held| held.address))
            .collect();
        let routers = self.section.routers.iter();
        routers
            .map(|router| Place::of(router, view, way.sockets, &virtual_addresses))
            .collect()
    }

    /// Interfaces and files of `track`; the core knows the services.
    fn track(&mut self, view: &View, failing: &[TrackFile]) {
        let (mut lowered, mut fault) = (0, None);
        for track in &self.section.track {
            let why = match &track.what {
                Tracked::Interface(name) => {
                    let is_up = view.link(name).is_some_and(|(link, _)| link.up);
                    (!is_up).then(|| format!("interface `{name}` is down"))
                }
                Tracked::File(file) if failing.contains(file) => {
                    let state = if file.missing { "is missing" } else { "exists" };
                    Some(format!("file {} {state}", path(&file.path)))
                }
                Tracked::File(_) | Tracked::Service(_) => None,
            };
            match (track.effect, why) {
                (_, None) => {}
                (TrackEffect::Lower(by), Some(_)) => lowered += u32::from(by),
                (TrackEffect::Fault, Some(why)) => fault = Some(Arc::from(why)),
            }
        }
        self.track_lowered = lowered;
        self.track_fault = fault;
    }

    /// Tells the machine which members became faulty, and which are repaired.
    fn tell_faults(&mut self, way: &Way<'_>) {
        let stranger = self.wary.as_ref().and_then(Wary::fault);
        let whole = self.track_fault.as_ref().or(self.service_fault.as_ref());
        let whole = whole.or(stranger.as_ref());
        for (member, place) in self.places.iter_mut().enumerate() {
            if place.fault.is_none() && member == 0 {
                place.fault = whole.cloned();
            }
            let is_faulty = place.fault.is_some();
            let Some(told) = self.told.get_mut(member) else {
                continue;
            };
            if std::mem::replace(told, is_faulty) == is_faulty {
                continue;
            }
            let input = if is_faulty {
                Input::Fault { member }
            } else {
                Input::Repaired { member }
            };
            self.machine.handle(way.now, input, &mut self.actions);
        }
    }

    /// It has the connections of the active router, or no longer waits for them.
    pub(super) fn may_preempt(&mut self, may: bool, way: &Way<'_>) {
        self.is_synced = may;
        let config = config(&self.section, &self.places, self.priority(), may);
        // The same routers: it cannot fail.
        let _ = self.machine.reconfigure(way.now, config, &mut self.actions);
        self.act(way);
    }

    fn tell_priority(&mut self, way: &Way<'_>) {
        let input = Input::Priority(self.priority());
        self.machine.handle(way.now, input, &mut self.actions);
    }

    /// What services take off, and what the tracks say.
    pub(super) fn lower(
        &mut self,
        by: u32,
        fault: Option<Arc<str>>,
        failing: &[TrackFile],
        view: &View,
        way: &Way<'_>,
    ) {
        self.lowered = by;
        self.service_fault = fault;
        self.track(view, failing);
        let places = self.look(view, way);
        self.touched |= self.places != places;
        self.places = places;
        self.tell_faults(way);
        self.tell_priority(way);
        self.act(way);
    }

    /// The process ends. Where none of the peers has taken over before a stop for good, no
    /// process goes on with the interface of a virtual MAC address: it goes, and its addresses with it.
    pub(super) fn end(&mut self, way: &Way<'_>) {
        let has_link = self.section.routers.iter().any(|router| router.virtual_mac);
        if self.leaves && has_link && self.section.on_death == OnDeath::Release {
            self.handle(Input::Stop, way);
        } else {
            self.pause(way);
        }
    }

    pub(super) fn operate(&mut self, operation: Operation, leaves: bool, way: &Way<'_>) {
        self.leaves = leaves;
        let until = |time: Option<Duration>| time.map(|time| way.now.saturating_add(time));
        let input = match operation {
            Operation::Yield { time } => Input::Yield { until: until(time) },
            Operation::Claim { time } => Input::Claim { until: until(time) },
            Operation::Auto => Input::EndHold,
        };
        self.handle(input, way);
    }

    /// Another program keeps removing an address: the peer may be luckier.
    pub(super) fn give_up_contest(&mut self, way: &Way<'_>) {
        let until = Some(way.now.saturating_add(CONTESTED));
        self.handle(Input::Yield { until }, way);
    }

    pub(super) fn handle(&mut self, input: Input, way: &Way<'_>) {
        self.machine.handle(way.now, input, &mut self.actions);
        self.act(way);
    }

    /// Its timer, if it is due.
    pub(super) fn tick(&mut self, way: &Way<'_>) {
        if self.wary.is_some() {
            self.look_out(way);
        }
        if self.started && self.timer.is_some_and(|timer| timer <= way.now) {
            self.handle(Input::Timer, way);
        }
    }

    fn event(&self, kind: EventKind, text: String, way: &Way<'_>) {
        (way.tell)(Report::Event {
            section: Arc::clone(&self.section.name),
            kind,
            text,
            on: None,
        });
    }

    /// Carries the machine's actions out.
    pub(super) fn act(&mut self, way: &Way<'_>) {
        for _ in 0..ROUNDS {
            if self.actions.is_empty() {
                break;
            }
            let mut actions = std::mem::take(&mut self.actions);
            let mut failed = Vec::new();
            for action in actions.drain(..) {
                self.carry_out(action, &mut failed, way);
            }
            // Keeps its memory: a regular advert allocates nothing.
            self.actions = actions;
            for member in failed {
                let input = Input::SendFailed { member };
                self.machine.handle(way.now, input, &mut self.actions);
            }
        }
        self.report_lateness(way);
        events::show(self, way);
    }

    fn carry_out(&mut self, action: Action, failed: &mut Vec<usize>, way: &Way<'_>) {
        let name = || Arc::clone(&self.section.name);
        match action {
            Action::Send { member, priority } => {
                if let Err(error) = self.send(member, priority, false, way) {
                    self.send_error = Some(error);
                    failed.push(member);
                }
            }
            Action::TakeAddresses => {
                self.leftover = false;
                way.holder.send(Order::Take(name()));
            }
            Action::Announce => way.holder.send(Order::Announce(name())),
            Action::Linger => way.holder.send(Order::Linger(name())),
            Action::ReleaseAddresses => way.holder.send(Order::Release(name())),
            Action::SetTimer(timer) => self.timer = timer,
            Action::Changed(change) => {
                let error = self.send_error.take();
                events::changed(self, &change, error.as_deref(), way);
            }
            Action::Notice(notice) => events::notice(self, &notice, way),
        }
    }

    fn report_lateness(&mut self, way: &Way<'_>) {
        let before = self.counters.read().late;
        events::count(&self.machine, self.places.len(), &self.counters);
        let now = self.counters.read();
        if now.late > before && way.now >= self.quiet_late {
            self.quiet_late = way.now + QUIET;
            let text = format!(
                "an advert was {} ms late: this machine is too busy, or was paused",
                self.machine.totals().latest.as_millis()
            );
            self.event(EventKind::FailoverLate, text, way);
        }
    }
}
