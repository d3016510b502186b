//! Announce sections as the core sees them: health, damping and operators decide; the thread of
//! `crate::announce` carries it out.

mod operate;
mod section;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipvs::ServiceKey;

use super::Core;
use section::Section;

use crate::announce::{Command, Position, Report};
use crate::check::Verdict;
use crate::control::Now;
use crate::control::announce::{AnnounceHealth, AnnounceState, AnnounceStatus};
use crate::control::event::{EventKind, Subject};
use crate::daemon::messages::Loaded;
use crate::state::BootTime;
use crate::state::failover::Announced;

/// Sections looked at in one slice; each looks at all services.
const SLICE: usize = 16;

/// The time between two looks before the first verdicts.
const HASTE: Duration = Duration::from_millis(200);

/// What the core keeps.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    sections: BTreeMap<Arc<str>, Section>,
    /// The sections by their addresses, and by the services that they name.
    by_address: BTreeMap<IpAddr, Arc<str>>,
    by_service: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// The sections to look at again.
    marked: BTreeSet<Arc<str>>,
    /// When those without verdicts are looked at again.
    look_at: Option<BootTime>,
}

impl Announcements {
    /// What is shown.
    pub(super) fn shown(&self) -> BTreeMap<Arc<str>, Arc<AnnounceStatus>> {
        let sections = self.sections.iter();
        let shown =
            sections.map(|(name, section)| (Arc::clone(name), Arc::new(section.status.clone())));
        shown.collect()
    }

    /// When it has something to do.
    pub(super) fn next(&self) -> Option<BootTime> {
        let sections = self.sections.values();
        let holds = sections.filter_map(|section| section.status.until);
        holds.chain(self.look_at).min()
    }

    /// Marks what is due.
    fn mark_due(&mut self, now: BootTime) {
        let is_time = self.look_at.is_some_and(|at| at <= now);
        let sections = self.sections.values();
        let due = sections.filter(|section| {
            let is_over = section.status.until.is_some_and(|until| until <= now);
            is_over || is_time && section.enough.is_none()
        });
        let due: Vec<_> = due.map(|section| Arc::clone(&section.spec.name)).collect();
        self.marked.extend(due);
    }

    /// A service has changed.
    fn mark(&mut self, key: &ServiceKey, name: &str) {
        if let ServiceKey::Address { address, .. } = key {
            self.marked.extend(self.by_address.get(address).cloned());
        }
        if let Some(sections) = self.by_service.get(name) {
            self.marked.extend(sections.iter().cloned());
        }
    }
}

impl Core {
    /// A file is in force.
    pub(super) fn declare_announced(&mut self, declared: &[Arc<Announced>], now: Now) {
        let state = &mut self.announce;
        let before: Vec<_> = state
            .sections
            .values()
            .map(|one| Arc::clone(&one.spec))
            .collect();
        if before == declared {
            return;
        }
        let mut old = std::mem::take(&mut state.sections);
        (state.by_address, state.by_service) = (BTreeMap::new(), BTreeMap::new());
        for spec in declared {
            let name = Arc::clone(&spec.name);
            for address in &spec.addresses {
                state.by_address.insert(*address, Arc::clone(&name));
            }
            for service in &spec.follow.services {
                let sections = state.by_service.entry(Arc::clone(service)).or_default();
                sections.insert(Arc::clone(&name));
            }
            let section = match old.remove(&name) {
                Some(mut section) => {
                    section.status.interface = Arc::clone(&spec.interface);
                    section.status.addresses = spec.addresses.as_slice().into();
                    section.spec = Arc::clone(spec);
                    section
                }
                None => Section::new(Arc::clone(spec), now),
            };
            state.sections.insert(name, section);
        }
        state.marked = state.sections.keys().cloned().collect();
        state.look_at = (!declared.is_empty()).then_some(now.boot.after(HASTE));
        self.settings
            .withdrawn
            .retain(|name, _| declared.iter().any(|spec| *spec.name == **name));
        self.show.touch();
        self.out.announce.push(Command::Declare(declared.to_vec()));
    }

    /// Why a new file is refused: it deletes services to whose addresses routers still send packets.
    pub(super) fn refuse_abandoned(&self, loaded: &Loaded, now: Now) -> Option<String> {
        let removed = loaded.removed.iter().filter_map(|key| match key {
            ServiceKey::Address { address, .. } => Some(address),
            ServiceKey::Fwmark { .. } => None,
        });
        let mut sections = removed.filter_map(|address| {
            let section = self
                .announce
                .sections
                .get(self.announce.by_address.get(address)?)?;
            let mut after = loaded.failovers.announced.iter();
            let stays = after.any(|spec| spec.addresses.contains(address));
            (!stays && !section.is_quiet(now.boot)).then_some((section, address))
        });
        let (section, address) = sections.next()?;
        let (name, linger) = (&section.spec.name, section.spec.linger.as_secs());
        Some(format!(
            "refused: the file removes services of {address}, which [announce.{name}] announced up \
             to now, so that packets underway are lost; `director announce withdraw {name} --wait`, \
             and reload {linger}s later; use --force to override"
        ))
    }

    /// A part of the snapshot is new, or gone.
    pub(super) fn announce_follows(&mut self, key: &ServiceKey, name: &str) {
        self.announce.mark(key, name);
    }

    /// Looks at the sections whose services have changed, and at those whose time has come.
    pub(super) fn look_at_announcements(&mut self, now: Now) {
        // Services come in slice by slice.
        if self.announce.sections.is_empty() || !self.is_ready() || self.reloading.has_work() {
            return;
        }
        self.announce.mark_due(now.boot);
        for _ in 0..SLICE {
            let Some(name) = self.announce.marked.pop_first() else {
                break;
            };
            self.look_at_announcement(&name, now);
        }
        let state = &mut self.announce;
        let mut sections = state.sections.values();
        let is_waiting = sections.any(|section| section.enough.is_none());
        state.look_at = match (state.marked.is_empty(), is_waiting) {
            (false, _) => Some(now.boot),
            (true, true) => Some(now.boot.after(HASTE)),
            (true, false) => None,
        };
    }

    fn look_at_announcement(&mut self, name: &Arc<str>, now: Now) {
        let Some(section) = self.announce.sections.get(name) else {
            return;
        };
        let is_announced = section.enough == Some(true);
        let spec = Arc::clone(&section.spec);
        let health = self.health_of(&spec, section.enough.map(|_| is_announced));
        let Some(section) = self.announce.sections.get_mut(name) else {
            return;
        };
        if let Some(health) = health {
            let enough = health.is_enough();
            section.status.healthy = health;
            if let (Some(before), Some(damping)) = (section.enough, &section.spec.damping)
                && before != enough
            {
                section.damper.change(enough, damping, now.boot);
            }
            section.enough = Some(enough);
        }
        self.settle_announcement(name, now);
    }

    /// What is healthy of what a section follows. `open`: what a service counts as whose servers
    /// have no verdict yet; `None`: then nothing is known.
    fn health_of(&self, spec: &Announced, open: Option<bool>) -> Option<AnnounceHealth> {
        let follow = &spec.follow;
        let is_followed = |key: &ServiceKey, name: &str| match (follow.services.is_empty(), key) {
            (true, ServiceKey::Address { address, .. }) => spec.addresses.contains(address),
            (true, ServiceKey::Fwmark { .. }) => false,
            (false, _) => follow.services.iter().any(|other| **other == *name),
        };
        let mut services: BTreeMap<&str, bool> = BTreeMap::new();
        let (mut up, mut all) = (0, 0);
        for (key, service) in &self.services {
            if !is_followed(key, &service.declared.name) {
                continue;
            }
            let mut servers = service.servers.values();
            let is_open = servers.any(|server| server.verdict == Verdict::Open);
            let part = self.show.parts.get(key).filter(|part| !part.leaving);
            // Not described yet: the next look is better.
            let part = part?;
            let is_healthy = match (part.is_out(), is_open) {
                (false, false) => true,
                (false, true) => open.map(|_| true)?,
                (true, false) => false,
                (true, true) => open?,
            };
            let well = services.entry(&part.name).or_insert(true);
            *well &= is_healthy;
            all += part.declared;
            up += part.up;
            if is_open && open? {
                let servers = service.servers.values();
                let open = servers.filter(|server| server.verdict == Verdict::Open);
                up = (up + open.count()).min(all);
            }
        }
        let (healthy, of) = match follow.servers {
            true => (up, all),
            false => (
                services.values().filter(|well| **well).count(),
                services.len(),
            ),
        };
        Some(AnnounceHealth {
            healthy,
            of,
            needed: follow.need.of(of).max(1),
            servers: follow.servers,
        })
    }

    /// Decides anew, and says so if it is another decision.
    fn settle_announcement(&mut self, name: &Arc<str>, now: Now) {
        let set = self.settings.withdrawn.get(&**name).cloned();
        let Some(section) = self.announce.sections.get_mut(name) else {
            return;
        };
        let (state, why) = section.decide(set.as_ref(), now.boot);
        let is_new = section.status.state != state;
        let (why, is_news) = section.explain(state, why, set, now.boot);
        if is_news {
            self.show.touch();
        }
        if !is_new {
            return;
        }
        let before = section.position(section.status.state);
        let status = &mut section.status;
        (status.state, status.since) = (state, now.boot);
        let Some(to) = section.position(state) else {
            return;
        };
        if before != Some(to) {
            section.status.in_place = false;
            self.out.announce.push(Command::Set {
                section: Arc::clone(name),
                to,
            });
        }
        if state == AnnounceState::Damped {
            let text = format!("`{name}` {why}");
            self.event(EventKind::AnnounceDamped, Subject::None, text, now);
        }
    }

    /// The thread reports.
    pub(super) fn announce_report(&mut self, report: Report, now: Now) {
        self.show.touch();
        match report {
            Report::Found(names) => {
                for name in names {
                    let section = self.announce.sections.get_mut(&name);
                    if let Some(section) = section.filter(|one| one.enough.is_none()) {
                        section.found = true;
                        section.status.why = Arc::from(
                            "announced by the previous process; waits for the first verdicts",
                        );
                    }
                }
            }
            Report::Reached { section, to } => self.announce_reached(&section, to, now),
            Report::Trouble { section, why } => {
                let Some(found) = self.announce.sections.get_mut(&section) else {
                    return;
                };
                found.status.trouble = why.as_deref().map(Arc::from);
                let (kind, text) = match why {
                    Some(why) => (EventKind::AnnounceTrouble, why),
                    None => {
                        let text = "the kernel refuses nothing any more".to_owned();
                        (EventKind::AnnounceRestored, text)
                    }
                };
                self.event(kind, Subject::None, format!("`{section}` {text}"), now);
            }
            Report::Restored { section, text } => {
                let text = format!("`{section}` {text}");
                self.event(EventKind::AnnounceRestored, Subject::None, text, now);
            }
            Report::Failed(why) => {
                for section in self.announce.sections.values_mut() {
                    section.status.trouble = Some(Arc::from(why.as_str()));
                }
                self.event(EventKind::AnnounceTrouble, Subject::None, why, now);
            }
        }
    }

    /// The kernel has a section as it was decided.
    fn announce_reached(&mut self, name: &Arc<str>, to: Position, now: Now) {
        let Some(section) = self.announce.sections.get_mut(name) else {
            return;
        };
        // A later decision is on its way.
        if section.position(section.status.state) != Some(to) {
            return;
        }
        section.status.in_place = true;
        let why = Arc::clone(&section.status.why);
        let (kind, text) = match (to, section.status.state) {
            (Position::Announced, _) => (EventKind::Announced, format!("announced: {why}")),
            (Position::Fallback, _) => (
                EventKind::Withdrawn,
                format!("announced with the fallback metric: {why}"),
            ),
            (Position::Withdrawn, AnnounceState::TakenOut) => {
                (EventKind::Withdrawn, why.to_string())
            }
            (Position::Withdrawn, _) => (EventKind::Withdrawn, format!("withdrawn: {why}")),
        };
        self.event(kind, Subject::None, format!("`{name}` {text}"), now);
    }
}
