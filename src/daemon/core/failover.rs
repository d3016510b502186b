//! Failover as the core sees it: hands sections and health to the runtime, shows what it reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::better_off::BesideOthers;
use super::hand::setting;
use crate::check::Verdict;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::failover::{FailoverHold, FailoverRole, FailoverStatus};
use crate::control::operator::{Answer, FailoverDo, FailoverRequest, Refusal, RefusalKind};
use crate::daemon::messages::{Notification, NotifyAbout, NotifyEvent};
use crate::failover::{Command, Operation, Report};
use crate::state::BootTime;
use crate::state::failover::{
    Change, Failover, FailoverOn, Failovers, FollowBy, TrackEffect, Tracked, changes, splits,
};
use crate::state::health::Notify;
use crate::words::length;

/// The time between two observations of health.
const PACE: Duration = Duration::from_secs(1);

/// The same before the first verdicts are in.
const HASTE: Duration = Duration::from_millis(200);

/// What the core keeps.
#[derive(Debug, Default)]
pub(super) struct FailoverState {
    pub(super) declared: Arc<Failovers>,
    pub(super) shown: BTreeMap<Arc<str>, Arc<FailoverStatus>>,
    health: BTreeMap<Arc<str>, Health>,
    pub(super) beside: BTreeMap<Arc<str>, BesideOthers>,
    /// Whether the first verdicts are in.
    ready: bool,
    look_at: Option<BootTime>,
}

/// What services take off one section.
#[derive(Debug, Default)]
struct Health {
    /// The believed number of what is out, and of all.
    out: (usize, usize),
    /// Another number, and how often it was seen in sequence.
    seen: ((usize, usize), u32),
    /// What that takes off the priority.
    own: u32,
    told: Option<(u32, Option<Arc<str>>)>,
}

impl FailoverState {
    /// When it has something to do.
    pub(super) const fn next(&self) -> Option<BootTime> {
        self.look_at
    }

    /// The sections of the file in force.
    pub(super) fn declared(&self) -> Arc<Failovers> {
        Arc::clone(&self.declared)
    }
}

impl Core {
    /// What a new file does to the addresses; nothing at the start, which has no file before.
    pub(super) fn address_changes(&self, after: &Failovers) -> Vec<Change> {
        if self.is_ready() {
            changes(&self.failover.declared, after)
        } else {
            Vec::new()
        }
    }

    /// Why a new file is refused: other directors would not understand this one any more.
    pub(super) fn refuse_split(&self, after: &Failovers) -> Option<String> {
        let changes = self.address_changes(after);
        let splits: Vec<String> = splits(&changes).iter().map(ToString::to_string).collect();
        (!splits.is_empty()).then(|| {
            format!(
                "refused: {}; two directors may hold the addresses then; use --force to override",
                splits.join(", and ")
            )
        })
    }

    /// A file is in force. Returns what it does to the addresses.
    pub(super) fn declare_failover(
        &mut self,
        declared: &Arc<Failovers>,
        force: bool,
        now: Now,
    ) -> Vec<Change> {
        let changes = if self.is_ready() {
            self.address_changes(declared)
        } else {
            self.since_the_last_process(declared, force, now)
        };
        if self.failover.declared == *declared {
            // Without a section, an earlier file may have had some.
            if !self.is_ready() && !self.settings.sections.is_empty() {
                self.out.failover.push(Command::Forget);
            }
            self.keep_sections(declared, now);
            return Vec::new();
        }
        if !self.is_ready() {
            self.restore_holds(declared, now);
        }
        self.failover.declared = Arc::clone(declared);
        self.declare_peers(&declared.peers, declared.relays);
        self.declare_announced(&declared.announced, now);
        self.failover
            .health
            .retain(|name, _| declared.get(name).is_some());
        self.failover
            .shown
            .retain(|name, _| declared.get(name).is_some());
        self.show.touch();
        self.out
            .failover
            .push(Command::Declare(Arc::clone(declared)));
        self.failover.look_at = (!declared.failovers.is_empty()).then_some(now.boot);
        self.look_at_health(now);
        self.keep_sections(declared, now);
        changes
    }

    /// Observes health, if it is time.
    pub(super) fn look_at_health(&mut self, now: Now) {
        if self.failover.look_at.is_none_or(|at| now.boot < at) {
            return;
        }
        if !self.failover.ready && self.has_verdicts() {
            self.failover.ready = true;
            self.out.failover.push(Command::Ready);
        }
        let pace = if self.failover.ready { PACE } else { HASTE };
        self.failover.look_at = Some(now.boot.after(pace));
        if !self.failover.ready {
            return;
        }
        let declared = Arc::clone(&self.failover.declared);
        for section in &declared.failovers {
            self.observe(section, now);
        }
        self.tell_sections();
        self.may_take_over(now);
        self.look_at_handovers(now);
        self.look_for_two_holders(now);
    }

    /// Whether all servers have been judged once.
    fn has_verdicts(&self) -> bool {
        let mut servers = self
            .services
            .values()
            .flat_map(|service| service.servers.values());
        self.is_ready() && !servers.any(|server| server.verdict == Verdict::Open)
    }

    /// One observation of the services of a section.
    fn observe(&mut self, section: &Failover, now: Now) {
        if section.services().next().is_none() {
            return;
        }
        let out = section
            .follow
            .as_ref()
            .map_or((0, 0), |follow| match follow.by {
                FollowBy::Services => {
                    let services = follow.services.iter();
                    let out = services.filter(|name| self.is_out(name)).count();
                    (out, follow.services.len())
                }
                FollowBy::Servers { .. } => {
                    let named = |name: &str| follow.services.iter().any(|other| **other == *name);
                    let parts = self.show.parts.values();
                    let parts = parts.filter(|part| named(&part.name) && !part.leaving);
                    parts.fold((0, 0), |(out, all), part| {
                        (
                            out + part.declared.saturating_sub(part.up),
                            all + part.declared,
                        )
                    })
                }
            });
        let mut tracked = 0;
        let mut fault = None;
        for track in &section.track {
            if let Tracked::Service(name) = &track.what
                && self.is_out(name)
            {
                match track.effect {
                    TrackEffect::Lower(by) => tracked += u32::from(by),
                    TrackEffect::Fault => {
                        fault = Some(Arc::from(format!("service `{name}` is out")));
                    }
                }
            }
        }
        let health = self
            .failover
            .health
            .entry(Arc::clone(&section.name))
            .or_default();
        if let Some(follow) = &section.follow {
            let needed = if out.0 > health.out.0 {
                follow.fall
            } else {
                follow.rise
            };
            health.observe(out, needed);
        }
        let (bad, all) = health.out;
        let followed = section
            .follow
            .as_ref()
            .map_or(0, |follow| follow.lowered(bad, all));
        health.own = followed.saturating_add(tracked);
        let (own, before) = (health.own, health.told.clone());
        let by = self.beside_others(section, own, before.as_ref().map_or(0, |told| told.0), now);
        let wanted = Some((by, fault.clone()));
        if before != wanted {
            let name = Arc::clone(&section.name);
            if let Some(health) = self.failover.health.get_mut(&name) {
                health.told = wanted;
            }
            self.out.failover.push(Command::Lower {
                section: name,
                by,
                fault,
            });
        }
    }

    /// What the services of a section take off its priority, before it is compared with peers.
    pub(super) fn lowered(&self, section: &str) -> u32 {
        self.failover
            .health
            .get(section)
            .map_or(0, |health| health.own)
    }

    /// Whether a service is out, on one of its listen addresses.
    fn is_out(&self, name: &str) -> bool {
        let parts = self.show.parts.values();
        let mut parts = parts.filter(|part| &*part.name == name && !part.leaving);
        parts.any(|part| part.is_out())
    }

    /// The runtime reports.
    pub(super) fn failover_report(&mut self, report: Report, now: Now) {
        match report {
            Report::Status(status) => self.failover_status(*status, now),
            Report::Gone(name) => {
                if self.failover.declared.get(&name).is_none() {
                    self.failover.shown.remove(&name);
                }
                self.show.touch();
            }
            Report::Event {
                section,
                kind,
                text,
                on,
            } => {
                if let Some(on) = on {
                    self.notify_failover(&section, on, &text, now);
                }
                self.event(kind, Subject::None, format!("`{section}` {text}"), now);
            }
            Report::Weakness(text) => {
                self.event(EventKind::FailoverWeak, Subject::None, text, now);
            }
        }
    }

    fn failover_status(&mut self, mut status: FailoverStatus, now: Now) {
        let name = Arc::clone(&status.name);
        if self.failover.declared.get(&name).is_none() {
            return;
        }
        self.hold_reported(&status, now);
        status.set = self.set_for(&status);
        self.show_waiting(&mut status);
        self.failover.shown.insert(name, Arc::new(status));
        self.tell_sections();
        self.look_at_handovers(now);
        self.show.touch();
    }

    /// Runs the commands of a section that are for this event.
    fn notify_failover(&mut self, section: &Arc<str>, on: FailoverOn, text: &str, now: Now) {
        let Some(declared) = self.failover.declared.get(section) else {
            return;
        };
        let commands = declared.notify.iter();
        let commands = commands.filter(|command| command.on.contains(&on));
        let commands = commands.map(|command| Notify {
            command: command.command.clone(),
            on: BTreeSet::new(),
            timeout: command.timeout,
        });
        let commands: Arc<[Notify]> = commands.collect();
        if commands.is_empty() {
            return;
        }
        self.out.notify.push(Notification {
            commands,
            event: NotifyEvent {
                about: NotifyAbout::Failover {
                    event: on,
                    failover: Arc::clone(section),
                },
                text: Arc::from(text),
                at_ms: now.unix_ms(),
            },
        });
    }

    /// An operator's request.
    pub(super) fn operate_failover(
        &mut self,
        request: &FailoverRequest,
        now: Now,
    ) -> Result<Answer, Refusal> {
        let sections = self.chosen_sections(request)?;
        let time = request.note.for_seconds.map(Duration::from_secs);
        if request.action == FailoverDo::Auto && time.is_some() {
            let message = "`auto` ends a yield or a claim for good: leave the time out";
            return Err(Refusal::new(RefusalKind::Invalid, message));
        }
        // Refuses times of 0 and beyond all calendars.
        setting((), &request.note, now)?;
        let mut orders = Vec::new();
        for status in sections {
            orders.push((
                Arc::clone(&status.name),
                decide(&status, request.action, time)?,
            ));
        }
        let mut done = Vec::new();
        for (section, (operation, text)) in orders {
            let hold = match operation {
                Operation::Yield { .. } => Some(FailoverHold::Yielded),
                Operation::Claim { .. } => Some(FailoverHold::Claimed),
                Operation::Auto => None,
            };
            let set = hold.map(|hold| setting(hold, &request.note, now));
            self.operated(&section, set.transpose()?, request.until_restart);
            let by = &request.note.by;
            let reason = request.note.reason.as_ref();
            let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
            let time = time.map_or(String::new(), |time| {
                format!(", for {}", length(time.as_secs()))
            });
            let text = format!("{text}{time}, by {by}{reason}");
            let subject = Subject::None;
            self.event(
                EventKind::FailoverHold,
                subject,
                format!("`{section}` {text}"),
                now,
            );
            done.push(format!("{section}: {text}"));
            self.operate_in_time(&section, operation, request.until_restart, now);
        }
        self.show.touch();
        Ok(Answer::done(done))
    }

    /// The sections of a request: one by its name, or all.
    fn chosen_sections(
        &self,
        request: &FailoverRequest,
    ) -> Result<Vec<Arc<FailoverStatus>>, Refusal> {
        let not_found = |message: String| Err(Refusal::new(RefusalKind::NotFound, message));
        match &request.section {
            Some(name) => match self.failover.shown.get(&**name) {
                Some(status) => Ok(vec![Arc::clone(status)]),
                None => not_found(format!(
                    "no failover section `{name}`; `director failover` lists them"
                )),
            },
            None if self.failover.shown.is_empty() => {
                not_found("the service file has no failover section".to_owned())
            }
            None => Ok(self.failover.shown.values().cloned().collect()),
        }
    }
}

impl Health {
    /// Believes a number that was seen often enough in sequence.
    fn observe(&mut self, out: (usize, usize), needed: u32) {
        if self.told.is_none() {
            // The first verdicts need no confirmation.
            self.out = out;
        }
        if out == self.out {
            self.seen = (out, 0);
            return;
        }
        let (last, times) = self.seen;
        let times = if last == out { times + 1 } else { 1 };
        self.seen = (out, times);
        if times >= needed {
            self.out = out;
        }
    }
}

/// What an operator's wish comes to, given the role.
fn decide(
    status: &FailoverStatus,
    action: FailoverDo,
    time: Option<Duration>,
) -> Result<(Operation, String), Refusal> {
    let name = &status.name;
    let refuse = |why: String| {
        let message = format!("`{name}` {why}");
        Err(Refusal::new(RefusalKind::Refused, message))
    };
    let action = match (action, status.role) {
        (FailoverDo::Switchover, role) if role.holds() => FailoverDo::Yield,
        (FailoverDo::Switchover, _) => FailoverDo::Claim,
        (action, _) => action,
    };
    match action {
        FailoverDo::Yield | FailoverDo::Switchover => {
            let text = match (status.role, status.peer) {
                (FailoverRole::Active, Some(peer)) => format!("hands over to {}", peer.address),
                // The peer may have stayed silent all the time, as a backup does.
                (FailoverRole::Active, None) => {
                    "hands over, if another router takes over; otherwise it stays active".to_owned()
                }
                (FailoverRole::HandingOver, _) => "is handing over already".to_owned(),
                _ => "yields: it claims only if no other router does".to_owned(),
            };
            Ok((Operation::Yield { time }, text))
        }
        FailoverDo::Claim => match status.role {
            FailoverRole::Fault => refuse(format!("is in fault: {}", status.why)),
            FailoverRole::Stopped => refuse("has stopped".to_owned()),
            FailoverRole::Active if status.hold.is_none() => {
                Ok((Operation::Claim { time }, "is active already".to_owned()))
            }
            _ => Ok((Operation::Claim { time }, "takes over".to_owned())),
        },
        FailoverDo::Auto => {
            let text = match status.hold {
                None => "has no yield or claim to end",
                Some(FailoverHold::Yielded) => "no longer yields",
                Some(FailoverHold::Claimed) => "no longer claims",
            };
            Ok((Operation::Auto, text.to_owned()))
        }
    }
}
