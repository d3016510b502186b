//! What is checked, and for whom: a target is checked once, however many services have it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use ipvs::{ServerKey, ServiceKey};

use crate::check::table::Table;
use crate::check::{Advice, Command, Record, Target, TargetId, Verdict};
use crate::control::Now;
use crate::state::health::{CheckSpec, ServiceWatch};
use crate::state::{BootTime, DesiredServer, DesiredService};

/// All checked targets.
#[derive(Debug, Default)]
pub(super) struct Targets {
    ids: HashMap<Arc<Target>, TargetId>,
    entries: Table<Tracked>,
    next: u32,
    /// The virtual addresses, from which no check leaves, and how many services listen on each.
    listening: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Tracked {
    target: Arc<Target>,
    subscribers: Vec<(ServiceKey, ServerKey)>,
    record: Arc<Record>,
    state: CheckState,
}

/// What a target's checks say at the moment. All servers with this target read it here.
#[derive(Debug)]
pub(super) struct CheckState {
    pub(super) verdict: Verdict,
    pub(super) reason: Arc<str>,
    pub(super) advice: Advice,
}

/// The reason of all servers without a check so far: one text for all of them.
pub(super) fn not_checked_yet() -> Arc<str> {
    static TEXT: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("not checked yet"));
    Arc::clone(&TEXT)
}

impl Targets {
    /// Reserves room for this many targets in all.
    pub(super) fn make_room(&mut self, all: usize) {
        let more = all.saturating_sub(self.entries.len());
        self.ids.reserve(more);
        self.entries.make_room(all);
    }

    /// A service listens on its address from now on.
    pub(super) fn listen(&mut self, key: &ServiceKey, commands: &mut Vec<Command>) {
        let ServiceKey::Address { address, .. } = key else {
            return;
        };
        let count = self.listening.entry(*address).or_default();
        *count += 1;
        if *count == 1 {
            commands.push(Command::Avoid(*address));
        }
    }

    /// It no longer does.
    pub(super) fn listen_no_more(&mut self, key: &ServiceKey, commands: &mut Vec<Command>) {
        let ServiceKey::Address { address, .. } = key else {
            return;
        };
        let Some(count) = self.listening.get_mut(address) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.listening.remove(address);
            commands.push(Command::Allow(*address));
        }
    }

    /// Subscribes to a target's verdicts; starts to check it if it is new.
    ///
    /// `verdict` is the initial one.
    pub(super) fn subscribe(
        &mut self,
        target: Target,
        subscriber: (ServiceKey, ServerKey),
        verdict: Verdict,
        commands: &mut Vec<Command>,
    ) -> TargetId {
        let target = Arc::new(target);
        let id = *self.ids.entry(Arc::clone(&target)).or_insert_with(|| {
            let id = TargetId(self.next);
            self.next = self.next.wrapping_add(1);
            let record = Arc::new(Record::default());
            commands.push(Command::Start {
                id,
                target: Arc::clone(&target),
                verdict,
                record: record.clone(),
            });
            let entry = Tracked {
                target,
                // Usually one; otherwise the first would take the room of four.
                subscribers: Vec::with_capacity(1),
                record,
                state: CheckState {
                    verdict,
                    reason: not_checked_yet(),
                    advice: Advice::default(),
                },
            };
            self.entries.insert(id, entry);
            id
        });
        let entry = self.entries.get_mut(id).expect("it was there, or was made");
        entry.subscribers.push(subscriber);
        id
    }

    /// Unsubscribes; the last subscriber ends the checks.
    pub(super) fn unsubscribe(
        &mut self,
        id: TargetId,
        subscriber: (ServiceKey, ServerKey),
        commands: &mut Vec<Command>,
    ) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        if let Some(place) = entry.subscribers.iter().position(|one| *one == subscriber) {
            entry.subscribers.swap_remove(place);
        }
        if entry.subscribers.is_empty()
            && let Some(entry) = self.entries.remove(id)
        {
            self.ids.remove(&entry.target);
            commands.push(Command::Stop(id));
        }
    }

    /// Judges targets anew. Their other servers keep their state until there is a verdict.
    pub(super) fn begin_anew(&mut self, ids: &[TargetId], commands: &mut Vec<Command>) {
        for id in ids {
            let Some(entry) = self.entries.get_mut(*id) else {
                continue;
            };
            if entry.state.verdict == Verdict::Up {
                entry.state.verdict = Verdict::Open;
            }
            commands.push(Command::Anew(*id));
        }
    }

    /// Records a verdict; returns the servers concerned.
    pub(super) fn judged(
        &mut self,
        id: TargetId,
        verdict: Verdict,
        reason: &Arc<str>,
    ) -> Vec<(ServiceKey, ServerKey)> {
        let Some(entry) = self.entries.get_mut(id) else {
            return Vec::new();
        };
        entry.state.verdict = verdict;
        entry.state.reason = reason.clone();
        entry.subscribers.clone()
    }

    /// Records a check's advice; returns the servers concerned, and whether it is new.
    pub(super) fn advised(
        &mut self,
        id: TargetId,
        advice: Advice,
    ) -> (Vec<(ServiceKey, ServerKey)>, bool) {
        let Some(entry) = self.entries.get_mut(id) else {
            return (Vec::new(), false);
        };
        let before = std::mem::replace(&mut entry.state.advice, advice);
        (entry.subscribers.clone(), before != advice)
    }

    /// What the checks of a server say.
    pub(super) fn states(&self, ids: &[TargetId]) -> impl Iterator<Item = &CheckState> + Clone {
        let entries = ids.iter().filter_map(|id| self.entries.get(*id));
        entries.map(|entry| &entry.state)
    }

    /// The check and its results, for `status`.
    pub(super) fn record(&self, id: TargetId) -> Option<(Arc<CheckSpec>, Arc<Record>)> {
        let entry = self.entries.get(id)?;
        Some((entry.target.spec.clone(), entry.record.clone()))
    }

    /// The servers of a target.
    pub(super) fn subscribers(&self, id: TargetId) -> &[(ServiceKey, ServerKey)] {
        self.entries.get(id).map_or(&[], |entry| &entry.subscribers)
    }

    /// When its last failed check started.
    pub(super) fn failed(&self, id: TargetId, now: Now) -> Option<BootTime> {
        let at = self.entries.get(id)?.record.seen().failed_at?;
        let ago = now.wall.duration_since(at).ok()?;
        Some(BootTime(now.boot.0.saturating_sub(ago)))
    }
}

/// The targets of a server.
pub(super) fn targets(
    declared: &DesiredService,
    watch: &ServiceWatch,
    key: &ServerKey,
    server: &DesiredServer,
) -> Vec<Target> {
    let target = |spec: &Arc<CheckSpec>| {
        let names_all = spec.kind.facts().names_service;
        let names_service = names_all || spec.at.through;
        let service = declared.service.key;
        let port = spec.at.port.unwrap_or(key.port);
        Target {
            spec: spec.clone(),
            address: spec.at.address.unwrap_or(key.address),
            port: if spec.kind.needs_port() { port } else { 0 },
            service: names_service.then_some(service),
            server: (key.address, if names_service { key.port } else { 0 }),
            service_name: names_service.then(|| declared.name.clone()),
            server_name: server.name().filter(|_| names_all).map(Arc::from),
        }
    };
    watch.checks_of(key).iter().map(target).collect()
}
