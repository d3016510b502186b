//! What a change of verdict means for damping: common causes, and holds.

use std::time::Duration;

use ipvs::ServiceKey;

use super::Core;
use crate::check::{TargetId, Verdict};
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::snapshot::ServerState as State;
use crate::daemon::common::{Changed, many_servers, span};
use crate::daemon::messages::Member;
use crate::daemon::overlay::Overlaid;
use crate::daemon::server::{Held, ServerState};
use crate::state::BootTime;
use crate::state::health::NotifyOn;
use crate::words::count;

impl Core {
    /// Whether these changes have a common cause with others, and which holds end with that;
    /// returns the servers no longer held.
    pub(super) fn seek_cause(
        &mut self,
        target: TargetId,
        changed: Vec<Member>,
        verdict: Verdict,
        now: Now,
    ) -> Vec<Member> {
        let Some((spec, _)) = self.targets.record(target) else {
            return Vec::new();
        };
        let changed = Changed {
            address: changed[0].1.address,
            members: changed.into(),
            up: verdict == Verdict::Up,
            now,
            span: span(&spec.pace),
        };
        let servers = |key: &ServiceKey| {
            let service = self.services.get(key);
            service.map_or(0, |service| service.servers.len())
        };
        let excused = self.causes.note(&changed, servers);
        let way = if changed.up { "came back" } else { "failed" };
        let told = "at about the same time: a common cause, ignored for damping";
        for (key, number) in &excused.services {
            let service = self.services.get(key);
            if service.is_some_and(|service| service.watch.damping.is_some()) {
                let text = format!("{} {way} {told}", count(*number, "server", "servers"));
                self.event(EventKind::CommonCause, Subject::Service(*key), text, now);
            }
        }
        if let Some(number) = excused.addresses {
            let addresses = count(number, "address", "addresses");
            let text = format!("servers of {addresses} {way} {told}");
            self.event(EventKind::CommonCause, Subject::None, text, now);
        }
        let mut free = self.excuse(excused.changes, now);
        let excuses = self.excused_by_failures(&changed);
        free.extend(self.excuse(excuses, now));
        free
    }

    /// Excludes changes from damping; returns the servers no longer held.
    fn excuse(&mut self, changes: Vec<(Member, BootTime)>, now: Now) -> Vec<Member> {
        let mut free = Vec::new();
        for ((key, server), at) in changes {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let held = service.held_over.get_mut(&server);
            let state = service
                .servers
                .get_mut(&server)
                .or(held.map(|held| &mut held.state));
            if state.is_some_and(|state| state.excuse(at, &service.watch, now.boot)) {
                free.push((key, server));
            }
        }
        free
    }

    /// Further changes excluded from damping: other servers of the service failed with it, but not
    /// often enough in a row to go down. Outages that ended before show when the server comes back.
    fn excused_by_failures(&self, changed: &Changed) -> Vec<(Member, BootTime)> {
        let mut excuses = Vec::new();
        for (key, server) in changed.members.iter() {
            let Some(service) = self.services.get(key) else {
                continue;
            };
            let failed = match service.servers.get(server) {
                // Most servers of a farm that comes back are excused already.
                Some(state) if state.damper.counts(state.failed) => state.failed,
                _ => continue,
            };
            let many = many_servers(service.servers.len());
            let others = service.servers.iter().filter(|(other, state)| {
                *other != server && self.failed_with(state, failed, changed)
            });
            if others.take(many - 1).count() + 1 >= many {
                excuses.push(((*key, *server), failed));
            }
        }
        excuses
    }

    /// Whether a check of this server failed at about the same time, but not for long before.
    fn failed_with(&self, state: &ServerState, failed: BootTime, changed: &Changed) -> bool {
        let was_down = state.verdict == Verdict::Down && state.failed.after(changed.span) < failed;
        if was_down {
            return false;
        }
        let is_near = |check: &TargetId| {
            let at = self.targets.failed(*check, changed.now)?;
            Some(at.after(changed.span) >= failed && at <= failed.after(changed.span))
        };
        state
            .checks
            .iter()
            .any(|check| is_near(check) == Some(true))
    }

    /// Reports servers that are held out, or kept in although they should be held, and when that is
    /// over.
    pub(super) fn watch_holds(&mut self, key: &ServiceKey, overlaid: &Overlaid, now: Now) {
        let Some(service) = self.services.get_mut(key) else {
            return;
        };
        let mut news = Vec::new();
        for seat in &overlaid.seats {
            let Some(state) = service.servers.get_mut(&seat.key) else {
                continue;
            };
            let until = state.damper.until(now.boot);
            let serves = seat.server.is_some_and(|server| server.weight.get() > 0);
            let hold = match (seat.state, until) {
                (State::Held, Some(_)) => Held::Out,
                (State::Up | State::Warming, Some(_)) if serves => Held::KeptIn,
                _ => Held::No,
            };
            let before = std::mem::replace(&mut state.hold, hold);
            if before != hold {
                let left = until.map_or(Duration::ZERO, |until| now.boot.until(until));
                news.push((seat.key, before, hold, left.as_secs(), seat.state));
            }
        }
        for (server, before, hold, left, state) in news {
            let (kind, notify, text) = match (before, hold) {
                (Held::KeptIn, Held::Out) => (
                    EventKind::ServerHeld,
                    Some(NotifyOn::ServerDown),
                    format!(
                        "changed too often: held out for {left}s, because enough others are up \
                             now"
                    ),
                ),
                (_, Held::Out) => (
                    EventKind::ServerHeld,
                    None,
                    format!("up again, but changed too often: held out for {left}s"),
                ),
                (_, Held::KeptIn) => (
                    EventKind::ServerKept,
                    Some(NotifyOn::ServerUp),
                    "up: changed too often, but kept in because too few others are up".to_owned(),
                ),
                (Held::Out, Held::No) if matches!(state, State::Up | State::Warming) => (
                    EventKind::ServerUp,
                    Some(NotifyOn::ServerUp),
                    "up: no longer held out".to_owned(),
                ),
                _ => continue,
            };
            self.event(kind, Subject::Server(*key, server), text, now);
            if let Some(event) = notify {
                self.notify(key, Some(&server), event, now);
            }
        }
    }
}
