//! What the core shows: events, the log, the snapshot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};

use super::Core;
use crate::check::{Admin, TargetId};
use crate::control::Now;
use crate::control::event::{Event, EventKind, Level, Subject};
use crate::control::meters::Meters;
use crate::control::operator::ServerSettings;
use crate::control::snapshot::{
    Published, RejectedBy, Role, ServerState as State, ServerStatus, ServiceStatus, Snapshot,
};
use crate::daemon::messages::{Notification, NotifyAbout, NotifyEvent, Recorded};
use crate::daemon::overlay::Seat;
use crate::daemon::server::ServerState;
use crate::plan::connections;
use crate::state::health::NotifyOn;
use crate::state::{BootTime, DesiredServer, ObservedService};
use crate::words::count;

/// The shortest time between two snapshots.
pub(super) const PACE: Duration = Duration::from_millis(100);

/// So many parts of the snapshot are made in one slice.
const SLICE: usize = 32;

/// After this many updated servers, the snapshot is published earlier: until then all of them are
/// in memory twice, in their current form and in that of the last snapshot.
const MANY: usize = 2_000;

/// What is shown of the core as a whole.
#[derive(Debug)]
pub(super) struct Show {
    published: Arc<Published>,
    /// The services of the snapshot to come.
    pub(super) parts: BTreeMap<ServiceKey, Arc<ServiceStatus>>,
    pub(super) entered: super::entered::Entered,
    file: Arc<str>,
    started: BootTime,
    pub(super) loaded: Option<BootTime>,
    pub(super) rejected: Option<Arc<str>>,
    pub(super) rejected_by: RejectedBy,
    pub(super) reconciled: Option<BootTime>,
    trouble: Option<Arc<str>>,
    /// Why the network namespace has lost its name, if so.
    nameless: Option<Arc<str>>,
    /// When the reload and the comparison in progress began.
    pub(super) load_began: BootTime,
    pub(super) reading_began: BootTime,
    revision: u64,
    changed: bool,
    published_at: Option<BootTime>,
    /// How many servers were described anew since then.
    redone: usize,
}

impl Show {
    pub(super) fn new(file: &Path, published: Arc<Published>, now: Now) -> Self {
        Self {
            published,
            parts: BTreeMap::new(),
            entered: super::entered::Entered::default(),
            file: Arc::from(file.display().to_string()),
            started: now.boot,
            loaded: None,
            rejected: None,
            rejected_by: RejectedBy::default(),
            reconciled: None,
            trouble: None,
            nameless: None,
            load_began: now.boot,
            reading_began: now.boot,
            revision: 0,
            changed: true,
            published_at: None,
            redone: 0,
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.changed
    }

    pub(super) fn is_ready(&self) -> bool {
        self.loaded.is_some()
    }

    pub(super) fn rejected_at_start(&self) -> Option<Arc<str>> {
        self.rejected.clone().filter(|_| self.loaded.is_none())
    }

    /// The counters for metrics.
    pub(super) fn meters(&self) -> &Meters {
        &self.published.meters
    }

    pub(super) fn touch(&mut self) {
        self.changed = true;
    }
}

impl Core {
    /// Reports an event: in the log, and to followers.
    pub(super) fn event(&mut self, kind: EventKind, subject: Subject, text: String, now: Now) {
        debug_assert!(kind.about().allows(subject), "{kind}: {subject:?}");
        let name = subject.service().and_then(|key| self.name_of(&key));
        let (word, named) = (kind.word(), name.as_deref().unwrap_or_default());
        match kind.level() {
            Level::Error => tracing::error!(kind = word, service = named, "{subject}{text}"),
            Level::Warn => tracing::warn!(kind = word, service = named, "{subject}{text}"),
            Level::Info => tracing::info!(kind = word, service = named, "{subject}{text}"),
        }
        self.show.published.record(Event {
            id: 0,
            at_ms: now.unix_ms(),
            kind,
            service: name,
            listen: subject.service(),
            server: subject.server(),
            text: text.into(),
        });
    }

    pub(super) fn name_of(&self, key: &ServiceKey) -> Option<Arc<str>> {
        let declared = self.services.get(key).map(|service| &service.declared.name);
        let owned = self.holdings.service(key).map(|owned| &owned.name);
        declared.or(owned).cloned()
    }

    /// Runs the commands of a service that are for this event.
    pub(super) fn notify(
        &mut self,
        key: &ServiceKey,
        server: Option<&ServerKey>,
        event: NotifyOn,
        now: Now,
    ) {
        let Some(service) = self.services.get(key) else {
            return;
        };
        let notify = &service.watch.notify;
        if !notify.iter().any(|notify| notify.on.contains(&event)) {
            return;
        }
        let state = server.and_then(|server| service.servers.get(server));
        self.out.notify.push(Notification {
            commands: notify.clone(),
            event: NotifyEvent {
                about: NotifyAbout::Service {
                    event,
                    service: service.declared.name.clone(),
                    listen: *key,
                    server: server.copied(),
                },
                text: state.map_or_else(|| Arc::from(""), |state| state.reason.clone()),
                at_ms: now.unix_ms(),
            },
        });
    }

    /// The kernel refused something unexpectedly.
    pub(super) fn trouble(&mut self, key: &ServiceKey, error: &ipvs::Error, now: Now) {
        let text: Arc<str> = Arc::from(error.to_string());
        if self.show.trouble.as_ref() != Some(&text) {
            let subject = Subject::Service(*key);
            self.event(EventKind::KernelRefused, subject, text.to_string(), now);
        }
        self.show.trouble = Some(text);
        self.show.touch();
    }

    /// The kernel accepts operations again.
    pub(super) fn no_trouble(&mut self) {
        if self.believed.refused().next().is_none() && self.show.trouble.take().is_some() {
            self.show.touch();
        }
    }

    /// All trouble in one line.
    fn whole_trouble(&self) -> Option<Arc<str>> {
        let kernel = self.show.trouble.clone();
        let disk = self.keeping.trouble().map(Arc::from);
        let hung = self.stalls.trouble().map(Arc::from);
        let all = [kernel, disk, hung, self.show.nameless.clone()]
            .into_iter()
            .flatten();
        all.reduce(|all, one| format!("{all}; {one}").into())
    }

    /// The history goes on, or does not.
    pub(super) fn recorded(&mut self, recorded: Recorded, now: Now) {
        let (kind, text) = match recorded {
            Recorded::Paused(why) => (
                EventKind::HistoryPaused,
                format!("cannot write the history: {why}; director tries again"),
            ),
            Recorded::Resumed => (EventKind::HistoryResumed, "the history goes on".to_owned()),
            Recorded::Damaged(what) => (
                EventKind::StateDamaged,
                format!("the history is damaged: {what}; it goes on without that"),
            ),
        };
        self.event(kind, Subject::None, text, now);
    }

    /// The network namespace has lost its name.
    pub(super) fn nameless(&mut self, why: String, now: Now) {
        self.event(EventKind::NamespaceGone, Subject::None, why.clone(), now);
        self.show.nameless = Some(why.into());
        self.show.touch();
    }

    /// Redoes a slice of the parts of the snapshot that are out of date.
    pub(super) fn refresh(&mut self, now: Now) {
        for _ in 0..SLICE {
            let Some(key) = self.work.unseen.pop_first() else {
                break;
            };
            self.look_at_drift(&key, now);
            match self.status(&key, now) {
                Some(mut status) => {
                    self.announce_follows(&key, &status.name);
                    self.show.entered.note(key, &mut status, now);
                    let before = self.show.parts.insert(key, Arc::new(status));
                    self.show.redone += before.map_or(0, |before| before.servers.len());
                }
                None => {
                    self.show.entered.forget(&key);
                    if let Some(gone) = self.show.parts.remove(&key) {
                        self.announce_follows(&key, &gone.name);
                    }
                }
            }
            self.show.touch();
            if self.show.redone >= MANY {
                break;
            }
        }
        self.look_at_announcements(now);
    }

    /// Publishes the snapshot, if it changed and the last one is old enough.
    pub(super) fn publish(&mut self, now: Now) {
        let published_at = self.show.published_at;
        let is_due = published_at.is_none_or(|then| then.until(now.boot) >= PACE);
        let is_heavy = self.show.redone >= MANY;
        if self.show.changed && (is_heavy || is_due && self.work.unseen.is_empty()) {
            self.publish_now(now);
        }
    }

    /// Publishes the snapshot immediately, so that an operator sees the effect of a request.
    pub(super) fn publish_now(&mut self, now: Now) {
        self.show.changed = false;
        self.show.redone = 0;
        self.show.published_at = Some(now.boot);
        self.show.revision += 1;
        let show = &self.show;
        self.show.published.publish(Snapshot {
            revision: show.revision,
            at: Some(now),
            file: show.file.clone(),
            marks: self.run.marks,
            history: self.run.history,
            started: Some(now.calendar(show.started)),
            loaded: show.loaded.map(|then| now.calendar(then)),
            rejected: show.rejected.clone(),
            rejected_by: show.rejected_by,
            services: self.show.parts.clone(),
            foreign: self.believed.foreign.iter().copied().collect(),
            disabled: self.settings.disabled.clone(),
            failovers: self.failover.shown.clone(),
            peers: self.peers.shown.clone(),
            announced: self.announce.shown(),
            discovered: self.discovered.shown.clone(),
            reconciled: show.reconciled.map(|then| now.calendar(then)),
            trouble: self.whole_trouble(),
            drift: self.all_drift(),
            lacking: self.drifted.lacking(),
        });
    }

    /// The snapshot of one service.
    fn status(&self, key: &ServiceKey, now: Now) -> Option<ServiceStatus> {
        let there = self.believed.get(key);
        let Some(overlaid) = self.overlaid(key, now) else {
            return self.leaving_status(key, there?, now);
        };
        let service = self.services.get(key)?;
        let seat = |seat: &Seat| {
            let declared = self.declared_server(key, seat);
            let state = service
                .servers
                .get(&seat.key)
                .or_else(|| service.held_over.get(&seat.key).map(|held| &held.state));
            self.server_status(key, seat, declared?, state, now)
        };
        // Exactly as many as there are seats: it lives as long as the service.
        let mut servers = Vec::with_capacity(overlaid.seats.len());
        servers.extend(overlaid.seats.iter().filter_map(seat));
        servers.extend(self.drained_status(key, there, &overlaid.seats, now));
        Some(ServiceStatus {
            name: service.declared.name.clone(),
            service: overlaid.wanted.service,
            as_declared: service.declared.service,
            pool: service.watch.pool.clone(),
            servers,
            up: overlaid.up,
            declared: service.declared.servers.len(),
            min_healthy: overlaid.min_healthy,
            panic: overlaid.panic,
            quorum: overlaid.quorum,
            leaving: false,
        })
    }

    fn declared_server(&self, key: &ServiceKey, seat: &Seat) -> Option<&DesiredServer> {
        let service = self.services.get(key)?;
        match seat.role {
            Role::Regular => {
                let held = service.held_over.get(&seat.key).map(|held| &held.server);
                service.declared.servers.get(&seat.key).or(held)
            }
            Role::Backup => service.watch.backup.get(&seat.key),
            Role::Sorry => service.watch.sorry.get(&seat.key),
        }
    }

    fn server_status(
        &self,
        key: &ServiceKey,
        seat: &Seat,
        declared: &DesiredServer,
        state: Option<&ServerState>,
        now: Now,
    ) -> Option<ServerStatus> {
        let set = self.settings.servers.get(&(*key, seat.key));
        let checks = state.map_or(&[][..], |state| &state.checks);
        let held = state
            .filter(|_| matches!(seat.state, State::Held | State::Up | State::Warming))
            .and_then(|state| state.damper.until(now.boot));
        let until = state.and_then(|state| match seat.state {
            State::Held | State::Up => held,
            State::Warming => state
                .ramp
                .as_ref()
                .map(|ramp| now.boot.after(ramp.remaining(now.boot))),
            _ => None,
        });
        let by_operator = set
            .and_then(|set| set.drain.as_ref())
            .and_then(|drain| drain.until);
        let until = until.map(|until| now.calendar(until));
        let mut records = Vec::with_capacity(checks.len());
        let record = |check: &TargetId| self.targets.record(*check);
        records.extend(checks.iter().filter_map(record));
        Some(ServerStatus {
            name: declared.name().map(Arc::from),
            role: seat.role,
            server: seat.server,
            as_declared: declared.server,
            state: seat.state,
            reason: reason(
                seat,
                set,
                state,
                self.settings.disabled.get(&seat.key.address),
                held.is_some(),
            ),
            since: state.map_or(now.wall, |state| now.calendar(state.since)),
            entered: now.wall,
            until: until.or(by_operator.filter(|_| seat.state == State::Drained)),
            drain: set.and_then(|set| set.drain.clone()).map(Box::new),
            weight: set.and_then(|set| set.weight.clone()).map(Box::new),
            checks: records,
        })
    }

    /// Servers that are no longer wanted and drain.
    fn drained_status<'a>(
        &'a self,
        key: &'a ServiceKey,
        there: Option<&'a ObservedService>,
        seats: &'a [Seat],
        now: Now,
    ) -> impl Iterator<Item = ServerStatus> {
        let servers = there.into_iter().flat_map(|there| there.servers.values());
        servers
            .filter(|entry| !seats.iter().any(|seat| seat.key == entry.server.key))
            .map(move |entry| {
                let until = self.holdings.drain_deadline(&(*key, entry.server.key));
                let open = count(connections(entry), "connection is", "connections are");
                ServerStatus {
                    name: None,
                    role: Role::Regular,
                    server: Some(entry.server),
                    as_declared: entry.server,
                    state: State::Leaving,
                    reason: Arc::from(format!("no longer declared; {open} left")),
                    since: now.wall,
                    entered: now.wall,
                    until: until.map(|until| now.calendar(until)),
                    drain: None,
                    weight: None,
                    checks: Vec::new(),
                }
            })
    }

    /// The status of a service that is no longer declared and drains.
    fn leaving_status(
        &self,
        key: &ServiceKey,
        there: &ObservedService,
        now: Now,
    ) -> Option<ServiceStatus> {
        let owned = self.holdings.service(key)?;
        Some(ServiceStatus {
            name: owned.name.clone(),
            service: there.service,
            as_declared: there.service,
            pool: None,
            servers: self.drained_status(key, Some(there), &[], now).collect(),
            up: 0,
            declared: 0,
            min_healthy: 0,
            panic: false,
            quorum: None,
            leaving: true,
        })
    }
}

fn reason(
    seat: &Seat,
    set: Option<&ServerSettings>,
    state: Option<&ServerState>,
    disabled: Option<&crate::control::operator::Setting<()>>,
    held: bool,
) -> Arc<str> {
    let because = |said: &Option<String>| {
        said.as_ref()
            .map_or(String::new(), |said| format!(": {said}"))
    };
    let checked = state.map_or_else(|| Arc::from(""), |state| state.reason.clone());
    match seat.state {
        State::Disabled => match disabled {
            Some(set) => format!("in maintenance, by {}{}", set.by, because(&set.reason)).into(),
            None => Arc::from("in maintenance according to its agent"),
        },
        State::Drained => match set.and_then(|set| set.drain.as_ref()) {
            Some(set) => format!("drained by {}{}", set.by, because(&set.reason)).into(),
            None if state.is_some_and(|state| state.admin == Admin::Drain) => {
                Arc::from("drained by its agent")
            }
            None => Arc::from("a dynamic weight of 0"),
        },
        State::Panic => format!("kept in because too few are left; {checked}").into(),
        State::Held => format!("changed too often; {checked}").into(),
        State::Standby if seat.role == Role::Regular => {
            Arc::from("the quorum is lost, and the sorry servers serve")
        }
        State::Standby => Arc::from("not needed"),
        State::Leaving if seat.server.is_some() => {
            Arc::from("no longer declared; waiting for its replacements")
        }
        State::Leaving => Arc::from("no longer declared"),
        State::Up if seat.role == Role::Sorry => Arc::from("no other server is left"),
        State::Up if state.is_some_and(|state| state.checks.is_empty()) => Arc::from("not checked"),
        State::Up | State::Warming if held => format!(
            "changed too often, but kept in because too few others are up; \
                     {checked}"
        )
        .into(),
        State::Up | State::Warming | State::Down | State::Pending => checked,
    }
}
